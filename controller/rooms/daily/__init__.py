"""Rooms at Daily."""
