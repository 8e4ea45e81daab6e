"""A process that has imported what a bot needs, and forks bots."""
