"""The supervision of sessions: start, track, record and stop them."""
