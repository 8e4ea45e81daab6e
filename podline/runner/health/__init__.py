"""Whether each of the pipeline's processors still works."""
