"""Plain data and pure rules, and the Protocols that the rest of the controller implements."""
