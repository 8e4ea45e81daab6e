"""How many sessions there may be, and how long each phase of one may last."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from controller.settings.variables import Group, variable


class LimitSettings(Group):
    """Limits of sessions."""

    capacity: PositiveInt = variable("PODLINE_CAPACITY", "Sessions at one time.", default=20)
    sessions_per_user: PositiveInt = variable(
        "PODLINE_SESSIONS_PER_USER", "Sessions of one user at one time.", default=2
    )
    anonymous_sessions_per_address: PositiveInt = variable(
        "PODLINE_ANONYMOUS_SESSIONS_PER_ADDRESS",
        "Sessions at one time of all callers without a name at one address.",
        default=4,
    )
    start_timeout_seconds: PositiveFloat = variable(
        "PODLINE_START_TIMEOUT_SECONDS",
        "From the launch of a bot until it must have joined.",
        default=120,
        unit="seconds",
    )
    max_duration_seconds: PositiveInt = variable(
        "PODLINE_MAX_DURATION_SECONDS",
        "The longest session a request may ask for, and how long one lasts that asks for no less.",
        default=1800,
        unit="seconds",
        le=86_400,
    )
    grace_seconds: PositiveFloat = variable(
        "PODLINE_GRACE_SECONDS",
        "From asking a bot to leave until it is killed.",
        default=30,
        unit="seconds",
        le=3600,
    )
    silence_seconds: PositiveFloat = variable(
        "PODLINE_SILENCE_SECONDS",
        "How long a bot may send nothing before it is given up as unresponsive. Bots report every 5 seconds.",
        default=20,
        unit="seconds",
    )
    keep_ended_seconds: PositiveFloat = variable(
        "PODLINE_KEEP_ENDED_SECONDS",
        "How long an ended session and its log are kept.",
        default=3600,
        unit="seconds",
    )
