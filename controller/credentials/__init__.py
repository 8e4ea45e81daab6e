"""Credentials for services outside Podline, issued for a single launch."""
