"""Bots as processes on this machine."""
