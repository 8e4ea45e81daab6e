"""Where bots run, as the supervisor sees it: a Protocol, and what passes through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from controller.core.session import Diagnostics, Ending, Session
from podline.contract import environment
from podline.contract.messages import FinalReport

_CARRIER: Final = {"traceparent": environment.TRACEPARENT, "tracestate": environment.TRACESTATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One bot to start.

    Attributes:
        session: what it is for, whole, so that a runtime can keep it beside the bot.
        environment: variables anyone may read.
        secrets: variables that only the bot may read; None where another gave them and they are forgotten.
        deadline_seconds: how long it may exist at the very most, counted from the launch.
    """

    session: Session
    environment: Mapping[str, str]
    secrets: Mapping[str, str] | None = field(repr=False)
    deadline_seconds: float

    def continuing(self, trace: Mapping[str, str]) -> Launch:
        """The launch of a bot that continues the trace of these W3C headers, where there are any."""
        carrier = {name: trace[header] for header, name in _CARRIER.items() if header in trace}
        return replace(self, environment={**self.environment, **carrier}) if carrier else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A runtime's evidence about a bot that is confirmed gone.

    Each ending in it is what one source knows by itself; `endings.decide_ending` alone weighs them.

    Attributes:
        at: when the final report was written, or else when the bot was seen to be gone.
        process_failure: what kernel or container runtime did to the process: out of memory, not started.
        disruption: what happened to the bot's node or pod: an eviction, a lost node.
        blocker: what kept the bot from ever running; None if it ran.
        final_report: what the bot wrote before it exited; None if it is missing or invalid.
        launch_end: how the launch itself ended: its deadline passed, or someone else stopped or deleted it.
        exit_code: of the process; None if a signal ended it or the code is unknown.
        signal: the number of the signal that ended the process; None if none did.
        diagnostics: what an operator may want to read about a bot that failed.
    """

    at: datetime
    process_failure: Ending | None = None
    disruption: Ending | None = None
    blocker: Ending | None = None
    final_report: FinalReport | None = None
    launch_end: Ending | None = None
    exit_code: int | None = None
    signal: int | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing a runtime has seen of one launch.

    Attributes:
        found: the session it is for, as it was recorded, where an earlier controller has made the launch.
        intent: why that one has asked the bot to leave, if it has.
    """

    launch_id: str
    found: Session | None = None
    intent: Ending | None = None
    scheduled: datetime | None = None
    exit: Exit | None = None


class Runtime(Protocol):
    """A place where bots run, one process or pod for each launch."""

    @property
    def outlives_us(self) -> bool:
        """Whether bots go on when the controller leaves, to be found again by the next one."""

    def watch(self) -> AsyncGenerator[Observation, None]:
        """Watch all bots and yield what becomes of each, in order, until the generator is closed.

        Bots can be launched while it is iterated.
        """

    def not_ready_reason(self) -> str | None:
        """Why no launch is taken or no end noticed right now, as a sentence; None while all is well."""

    async def launch(self, launch: Launch) -> None:
        """Start one bot. The same launch again starts no second one.

        Raises:
            SessionConflict: the place holds something else under this session's name.
            RuntimeUnavailable: no bot was started, and none will be.
            UnknownOutcome: it is not known whether there is a bot. `stop` then makes sure there is none, and
                an exit is observed even if there never was one.
        """

    async def stop(self, launch_id: str, intent: Ending) -> None:
        """Ask a bot to leave, and see to it that it is gone after the grace period. Harmless when repeated.

        Returns when that is under way, not when the bot is gone: that is an observation.
        """

    def record(self, session: Session) -> None:
        """Keep what has become of a session where another controller finds it. Returns at once."""

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        """What a bot wrote to its standard streams; with `follow`, until it is gone.

        Raises:
            RuntimeUnavailable: it can't be read right now.
        """
