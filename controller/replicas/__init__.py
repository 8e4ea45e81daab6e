"""Several controllers of one installation: one leads, and the others pass requests on to it."""
