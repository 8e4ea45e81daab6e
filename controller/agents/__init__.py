"""Sources of agents, and what reads their definitions."""
