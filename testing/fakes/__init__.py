"""Stand-ins for parts of the product, in memory."""
