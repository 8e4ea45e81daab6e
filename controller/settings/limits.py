"""Limits on the number of sessions and on the duration of each phase."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Final, Self

from pydantic import AfterValidator, PositiveFloat, PositiveInt, model_validator

from controller.core.admission import ModelKeyLimit
from controller.settings.variables import COMMA_SEPARATED, Group, variable

_HOLDER: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9])?"
_MODEL_KEY: Final = re.compile(rf"({_HOLDER}(?:\+{_HOLDER})*)=([1-9][0-9]{{0,5}})")


def _model_key(text: str) -> str:
    if not _MODEL_KEY.fullmatch(text):
        raise ValueError("a key's limit looks like shopping=10 or support+sales=6")
    return text


ModelKeySessions = Annotated[str, AfterValidator(_model_key)]


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
    model_key_sessions: Annotated[tuple[ModelKeySessions, ...], COMMA_SEPARATED] = variable(
        "PODLINE_MODEL_KEY_SESSIONS",
        "How many sessions may use one model key at once: comma-separated `HOLDER=SESSIONS`. HOLDER is the "
        "`secret_set` of the agents that use the key, or an agent without one; join holders of the "
        "same key with `+`. A key that is not listed has no limit of its own.",
        default=(),
        example="shopping=10,support+sales=6",
    )
    start_timeout_seconds: PositiveFloat = variable(
        "PODLINE_START_TIMEOUT_SECONDS",
        "How long a bot may take to join after its launch.",
        default=120,
        unit="seconds",
    )
    max_duration_seconds: PositiveInt = variable(
        "PODLINE_MAX_DURATION_SECONDS",
        "The longest duration that a request may ask for; also the default.",
        default=1800,
        unit="seconds",
        le=86_400,
    )
    grace_seconds: PositiveFloat = variable(
        "PODLINE_GRACE_SECONDS",
        "How long a bot may take to end after it was asked to, before it is killed.",
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

    @model_validator(mode="after")
    def _each_holder_has_one_key(self) -> Self:
        holders = Counter(each for key in self.model_keys for each in key.holders)
        for name, times in holders.items():
            if times > 1:
                raise ValueError(f"PODLINE_MODEL_KEY_SESSIONS: {name} is listed {times} times; list it once")
        return self

    @property
    def model_keys(self) -> tuple[ModelKeyLimit, ...]:
        """The limits in `model_key_sessions`."""
        return tuple(_read_model_key(text) for text in self.model_key_sessions)


def _read_model_key(text: str) -> ModelKeyLimit:
    holders, _, sessions = text.partition("=")
    return ModelKeyLimit(holders=tuple(holders.split("+")), sessions=int(sessions))
