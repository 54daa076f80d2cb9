"""Transports: they turn bytes into frames and back, and know nothing of what a frame means."""
