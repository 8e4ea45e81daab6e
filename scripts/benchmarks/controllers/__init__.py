"""Controllers by themselves: starts, metrics, and one revision beside another."""
