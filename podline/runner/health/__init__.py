"""The health of a pipeline's processors."""
