"""Figures of Podline on one machine, side by side with something bare wherever that makes sense."""
