"""The HTTP API: who may call it, what it refuses, and what it answers."""
