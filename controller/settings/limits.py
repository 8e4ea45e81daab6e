"""Limits on the number of sessions and on the duration of each phase."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from controller.settings.variables import Group, variable


class LimitSettings(Group):
    """Session limits."""

    capacity: PositiveInt = variable(
        "PODLINE_CAPACITY", "The maximum number of concurrent sessions.", default=20
    )
    sessions_per_user: PositiveInt = variable(
        "PODLINE_SESSIONS_PER_USER", "The maximum number of concurrent sessions of one user.", default=2
    )
    anonymous_sessions_per_address: PositiveInt = variable(
        "PODLINE_ANONYMOUS_SESSIONS_PER_ADDRESS",
        "The maximum number of concurrent sessions of all anonymous callers at one address.",
        default=4,
    )
    start_timeout_seconds: PositiveFloat = variable(
        "PODLINE_START_TIMEOUT_SECONDS",
        "How long a bot may take to join after its launch.",
        default=120,
        unit="seconds",
    )
    max_duration_seconds: PositiveInt = variable(
        "PODLINE_MAX_DURATION_SECONDS",
        "The longest session that a request may ask for, and the default.",
        default=1800,
        unit="seconds",
        le=86_400,
    )
    grace_seconds: PositiveFloat = variable(
        "PODLINE_GRACE_SECONDS",
        "How long a bot that is asked to end may take before it is killed.",
        default=30,
        unit="seconds",
        le=3600,
    )
    silence_seconds: PositiveFloat = variable(
        "PODLINE_SILENCE_SECONDS",
        "How long a bot may send nothing before it is stopped as unresponsive. Bots report every 5 seconds.",
        default=20,
        unit="seconds",
    )
    keep_ended_seconds: PositiveFloat = variable(
        "PODLINE_KEEP_ENDED_SECONDS",
        "How long an ended session and its log are kept.",
        default=3600,
        unit="seconds",
    )
