"""Start sessions, track them, record what becomes of them, and stop them."""
