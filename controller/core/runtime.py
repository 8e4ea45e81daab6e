"""Where bots run, as the supervisor sees it: the Protocol of a runtime, and what passes through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from controller.core.agents import BUILT_IN, AgentVersion
from controller.core.session import Diagnostics, Ending, Session
from controller.core.warm import WarmBot, WarmLaunch
from podline.contract import environment
from podline.contract.messages import FinalReport

INSTALLATION_CHARACTERS: Final = 10
"""The length of an installation's id, in hexadecimal digits."""

_CARRIER: Final = {"traceparent": environment.TRACEPARENT, "tracestate": environment.TRACESTATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One bot to start.

    Attributes:
        session: the whole session, so that a runtime can store it with the bot.
        agent: the version of its agent that the bot is launched from.
        environment: variables anyone may read.
        secrets: variables that only the bot may read; None if they are no longer known.
        deadline_seconds: how long it may exist at most, from the launch on.
    """

    session: Session
    agent: AgentVersion = BUILT_IN
    environment: Mapping[str, str]
    secrets: Mapping[str, str] | None = field(repr=False)
    deadline_seconds: float

    def continuing(self, trace: Mapping[str, str]) -> Launch:
        """Return the launch of a bot that continues the trace of these W3C headers, if there are any."""
        carrier = {name: trace[header] for header, name in _CARRIER.items() if header in trace}
        return replace(self, environment={**self.environment, **carrier}) if carrier else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A runtime's evidence about a bot that is confirmed gone.

    Each ending in it is what one source knows by itself; `endings.decide_ending` alone weighs them.

    Attributes:
        at: when the final report was written, or else when the bot was seen to be gone.
        process_failure: what the kernel or container runtime did to the process: out of memory, not started.
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
    """One thing that a runtime has observed of one launch.

    Attributes:
        found: its session as recorded, if an earlier controller launched it.
        warm: the warm bot that it is, if an earlier controller launched it and no session has claimed it.
        intent: why that controller asked the bot to leave; None if it didn't. With `found`, if the runtime
            will stop the bot by itself.
        scheduled: when a node was found for it.
        exit: the evidence about its end.
    """

    launch_id: str
    found: Session | None = None
    warm: WarmBot | None = None
    intent: Ending | None = None
    scheduled: datetime | None = None
    exit: Exit | None = None


class Runtime(Protocol):
    """Runs bots, one process or pod for each launch."""

    @property
    def outlives_us(self) -> bool:
        """True if bots keep running when the controller exits and the next one can adopt them."""

    def installation_id(self) -> str:
        """Return the id that this installation keeps and no other has; it is not secret.

        Raises:
            RuntimeUnavailable: the id is not known yet. A runtime that is ready knows it.
        """

    def watch(self) -> AsyncGenerator[Observation, None]:
        """Watch all bots and yield what happens to each, in order, until the generator is closed.

        Bots can be launched while it is iterated.
        """

    def not_ready_reason(self) -> str | None:
        """Return why bots can't be launched or observed right now, as a sentence; None if they can."""

    async def look_for(self, launch_id: str) -> None:
        """Look for a launch that is unknown here, though its bot speaks to us, and observe it if it exists.

        Raises:
            RuntimeUnavailable: it can't be looked for right now.
        """

    async def launch(self, launch: Launch) -> None:
        """Start one bot. Repeating the same launch starts no second one.

        Raises:
            SessionConflict: the runtime has something else under this session's name.
            RuntimeUnavailable: no bot was started, and none will be.
            UnknownOutcome: there may or may not be a bot. `stop` then ensures that there is none, and an
                exit is observed even if there never was one.
        """

    async def launch_warm(self, launch: WarmLaunch) -> None:
        """Start one warm bot. Repeating the same launch starts no second one.

        Raises:
            RuntimeUnavailable: no bot was started, and none will be.
            UnknownOutcome: there may or may not be a bot. `give_up` then ensures that there is none.
        """

    async def claim(self, launch: Launch) -> None:
        """Give the warm bot `launch.session.launch_id` to this session, with one conditional write.

        The session is recorded with its bot, and the deadline counts from now on. What `launch` has for the
        bot's environment is not sent to it. Repeating a claim is harmless.

        Raises:
            NotClaimed: the bot certainly does not belong to the session.
            UnknownOutcome: it may or may not. Another `claim`, or `give_up`, settles it.
        """

    async def give_up(self, launch_id: str) -> None:
        """End a warm bot that serves no session, or whose claim came to nothing. Harmless when repeated.

        Returns once it is certain that the bot never will serve one and that no controller finds a session
        with it, not when the bot is gone: its exit is an observation.

        Raises:
            UnknownOutcome: that could not be ensured in time. It must be repeated.
        """

    async def stop(self, session: Session, intent: Ending) -> None:
        """Ask a session's bot to leave, and end it after the grace period. Harmless when repeated.

        What the session has used is stored with the intent: its bot may never report again.
        Returns once that is in progress, not when the bot is gone: its exit is an observation.
        """

    def record(self, session: Session) -> None:
        """Store the state of a session where another controller can find it. Returns at once."""

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        """Return what a bot wrote to its standard streams; with `follow`, until it is gone.

        Raises:
            RuntimeUnavailable: it can't be read right now.
        """
