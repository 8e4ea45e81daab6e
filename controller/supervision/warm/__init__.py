"""Warm bots: how many wait, how they come and go, and how sessions claim them."""
