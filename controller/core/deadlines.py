"""When a bot has had its time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from podline.contract.reasons import Phase, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds."""

    start_timeout: float
    grace: float
    silence: float

    def backstop(self, max_duration: float) -> float:
        """How long a launch may exist: behind the bot's own deadline, so that the bot ends itself first."""
        return self.start_timeout + max_duration + self.grace


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one launch stands right now; times are seconds ago, None where it has not come to that."""

    phase: Phase
    launched: float | None
    heard: float | None
    max_duration: float


def overdue(standing: Standing, limits: Limits) -> Reason | None:
    """Why this bot must be ended now, None while it may go on. One that is being stopped is left to that."""
    if standing.phase is Phase.STOPPING or standing.phase.is_end or standing.launched is None:
        return None
    if standing.launched > limits.backstop(standing.max_duration):
        return Reason.MAX_DURATION
    if standing.phase is Phase.STARTING and standing.launched > limits.start_timeout:
        return Reason.START_TIMEOUT
    if is_silent(standing, limits):
        return Reason.UNRESPONSIVE
    return None


def looks_again_in(standing: Standing, limits: Limits) -> float:
    """Seconds until this bot may be overdue at the earliest, whatever it does meanwhile.

    News only puts a deadline off, but for the first word of a bot: silence counts from then on.
    """
    if standing.launched is None:
        return 0.0
    is_starting = standing.phase is Phase.STARTING
    longest = limits.start_timeout if is_starting else limits.backstop(standing.max_duration)
    left = [limits.silence, longest - standing.launched]
    if standing.heard is not None:
        left.append(limits.silence - standing.heard)
    return max(0.0, min(left))


def is_silent(standing: Standing, limits: Limits) -> bool:
    """Whether a bot that has spoken is heard no more. Before its first word the start timeout counts."""
    return standing.heard is not None and standing.heard > limits.silence


def we_are_deaf(standings: list[Standing], limits: Limits) -> bool:
    """Whether so many fell silent at once that it is we who do not hear."""
    heard_before = [each for each in standings if each.heard is not None]
    silent = [each for each in heard_before if is_silent(each, limits)]
    return len(silent) >= 3 and 2 * len(silent) > len(heard_before)
