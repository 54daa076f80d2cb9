"""What operators run and ask: the server, health."""
