"""Calls in a row, each with one random fault of the model's."""
