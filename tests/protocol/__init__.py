"""The wire contract, proven from outside: plain WebSocket and HTTP clients against a running server."""
