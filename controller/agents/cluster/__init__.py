"""Agents of a cluster: where they are defined, deployed and kept, and their secret sets."""
