"""The table of all bots that are broken."""

from __future__ import annotations

from typing import Final

from testing.projects.broken_calls import BROKEN_CALLS
from testing.projects.broken_imports import BROKEN_IMPORTS

BROKEN_BOTS: Final = [*BROKEN_IMPORTS, *BROKEN_CALLS]
