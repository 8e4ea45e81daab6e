"""Observability for operators: metrics, prices, traces and logs."""
