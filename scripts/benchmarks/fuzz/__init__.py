"""A million hostile inputs, and what the programs make of them."""
