"""The election of the one controller that leads, by a Lease."""
