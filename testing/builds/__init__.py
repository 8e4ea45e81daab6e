"""What is built from source and cached: Go programs, container images, the example web app."""
