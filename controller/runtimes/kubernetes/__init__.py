"""Bots as Kubernetes Jobs: one Job for each launch, followed by list and watch."""
