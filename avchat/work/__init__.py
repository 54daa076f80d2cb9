"""Work that nobody waits for: retention, statistics, mail about missed messages, exports."""
