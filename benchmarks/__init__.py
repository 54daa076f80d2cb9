"""Measurements, each one command that prints JSON. No tests: what they find depends on the machine."""
