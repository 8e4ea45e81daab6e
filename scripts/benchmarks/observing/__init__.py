"""What observing a call costs its bot."""
