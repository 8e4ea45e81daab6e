"""What metrics and traces of requests have in common."""

from __future__ import annotations

from typing import Final

START_PATHS: Final = ("/v1/sessions", "/start", "/start-agent")
"""Paths whose POST starts a session."""

CODE_IN_SCOPE: Final = "podline.problem_code"
"""Where the ASGI scope, and a span, hold the code of the problem that was answered."""
