"""What the product costs and bears, measured; each is a command that prints JSON."""
