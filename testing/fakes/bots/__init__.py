"""Bots that do what their words say, and the reports that bots have sent."""
