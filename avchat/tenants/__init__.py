"""Tenants: the accounts of admins, their sites, the sites' keys and secrets, and the tokens of members."""
