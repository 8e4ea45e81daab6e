"""Bots in fake pods that wait for sessions, and what a cluster's objects say of these."""
