"""The IM communication server: transports, client handlers, router, journal, conversations, messages, tabs."""
