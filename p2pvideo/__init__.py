"""Peer-to-peer audio and video: introduces two members to each other and carries no media."""
