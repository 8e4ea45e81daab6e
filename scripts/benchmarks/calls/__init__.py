"""Calls on this machine, with callers, bots, controller and sandbox."""
