"""How far tests search: narrowly and always alike, or widely from a seed (`scripts/test search`)."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import settings

NARROW: Final = "narrow"
WIDE: Final = "wide"
WIDE_EXAMPLES: Final = 10_000
WIDE_STEPS: Final = 100


def register_profiles() -> None:
    """Make both known. How long an example takes says more of the machine than of what is tested."""
    settings.register_profile(NARROW, deadline=None, derandomize=True)
    settings.register_profile(
        WIDE, deadline=None, max_examples=WIDE_EXAMPLES, stateful_step_count=WIDE_STEPS, database=None
    )
    settings.load_profile(NARROW)


def narrow_or_wide(**narrow: Any) -> settings:
    """These settings, or those of a wide search where that is wanted."""
    return settings() if settings.get_current_profile_name() == WIDE else settings(**narrow)
