"""Rules for Prometheus. `python -m deploy.monitoring` writes them and the boards as files."""
