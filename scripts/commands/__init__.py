"""What the commands in scripts/ do once their environment is there; each is a module with its name."""
