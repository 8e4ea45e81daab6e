"""Requests to the API server, and the objects it returns."""
