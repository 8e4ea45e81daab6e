"""Checks and counts that apply to every request, before any route."""
