"""Figures of a controller over a real control plane, beside small clients that make the same requests."""
