"""Calls whose model misbehaves: the situations, how each is played, and what its caller heard."""
