"""The tools that the model may use for the caller."""
