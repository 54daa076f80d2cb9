"""Commands of the tenants: for operators and for tools that test from outside."""
