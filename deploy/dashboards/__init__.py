"""Boards for Grafana, one module each."""
