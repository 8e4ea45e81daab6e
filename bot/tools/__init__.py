"""What the model may do for the caller."""
