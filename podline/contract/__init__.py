"""The contract between controller and bot: environment names, messages, end reasons, exit codes."""
