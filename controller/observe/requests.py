"""Names that metrics and traces of requests share."""

from __future__ import annotations

from typing import Final

START_PATHS: Final = ("/v1/sessions", "/start", "/start-agent")
"""Paths whose POST starts a session."""

CODE_IN_SCOPE: Final = "podline.problem_code"
"""The key in the ASGI scope, and in a span, for the code of the problem that was answered."""

LIMIT_IN_SCOPE: Final = "podline.problem_limit"
"""The key in the ASGI scope for the limit that the problem names; None if it names none."""
