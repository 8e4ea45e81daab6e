"""The example web app's generated files."""
