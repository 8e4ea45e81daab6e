"""The table of all situations."""

from __future__ import annotations

from typing import Final

from testing.model_faults.connections import CONNECTIONS
from testing.model_faults.messages import MESSAGES
from testing.model_faults.tool_calls import TOOL_CALLS
from testing.model_faults.unheard import UNHEARD

SITUATIONS: Final = [*CONNECTIONS, *UNHEARD, *TOOL_CALLS, *MESSAGES]

_IN_ROOMS: Final = (
    "The greeting is all zeros",
    "The answer to what was said is turnComplete alone",
    "The answer after a tool's result is turnComplete alone",
    "The connection breaks in the middle of an answer",
    "The answer to what was said is turnComplete alone, on every try",
)
IN_ROOMS: Final = [situation for situation in SITUATIONS if situation.name in _IN_ROOMS]
"""Those that are played over LiveKit as well: LiveKit carries audio and the end of a call in its own way."""
