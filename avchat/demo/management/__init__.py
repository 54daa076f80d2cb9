"""Commands of the demo community."""
