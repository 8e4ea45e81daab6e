"""The HTTP API: its callers, refusals and answers."""
