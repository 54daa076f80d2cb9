"""The tests: units in this process, the protocol and the browser against a server of their own."""
