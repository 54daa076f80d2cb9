"""Presence: who is here, how they are, and who wants to know."""
