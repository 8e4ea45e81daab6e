"""The deadlines of a bot. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from podline.contract.reasons import Phase, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on durations, in seconds."""

    start_timeout: float
    grace: float
    silence: float

    def backstop(self, max_duration: float) -> float:
        """Return how long a launch may exist: longer than its bot, so that the bot ends itself first."""
        return self.start_timeout + max_duration + self.grace


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of one launch right now. Times are how many seconds ago; None if it hasn't happened.

    Attributes:
        phase: of its session.
        launched: its bot.
        heard: its bot, or the controller began to listen after that.
        listening: the controller began to listen for reports.
        max_duration: of its session, in seconds.
    """

    phase: Phase
    launched: float | None
    heard: float | None
    listening: float
    max_duration: float


def overdue(standing: Standing, limits: Limits) -> Reason | None:
    """Return why this bot must be stopped now; None if it may continue or is already being stopped."""
    if standing.phase is Phase.STOPPING or standing.phase.is_end or standing.launched is None:
        return None
    if standing.launched > limits.backstop(standing.max_duration):
        return Reason.MAX_DURATION
    if standing.phase is Phase.STARTING and standing.launched > limits.start_timeout:
        # A bot that joined while nobody listened reports that soon.
        could_report = standing.listening >= min(standing.launched, limits.silence)
        return Reason.START_TIMEOUT if could_report else None
    if is_silent(standing, limits):
        return Reason.UNRESPONSIVE
    return None


def next_check_in(standing: Standing, limits: Limits) -> float:
    """Return the seconds until this bot may be overdue at the earliest, whatever it does until then.

    Its reports only postpone deadlines, except for the first: from then on silence counts.
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
    """Whether a bot that has reported before is silent. Before its first report the start timeout applies."""
    return standing.heard is not None and standing.heard > limits.silence


def fault_is_ours(standings: list[Standing], limits: Limits) -> bool:
    """Return whether so many bots are silent at once that the controller itself must be the cause.

    They fell silent at the same moment, but reported last at different ones. So those count too that have
    been silent for half as long as is allowed, which is longer than between two reports.
    """
    heard = [each.heard for each in standings if each.heard is not None]
    silent = [seconds for seconds in heard if seconds > limits.silence / 2]
    return len(silent) >= 3 and 2 * len(silent) > len(heard)
