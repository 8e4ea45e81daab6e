"""The commands that speak to a controller, one module for each group."""
