"""The warm bots that this controller knows of, each with its stage, its inbox and its claim."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.core.errors import ControllerError, LaunchEnded
from controller.core.pool_plan import WarmStage
from controller.core.warm import WarmBot
from controller.supervision.channel.inbox import Inbox
from podline.contract.messages import Assignment, InboxAnswer, InboxPage, Report


@dataclass(slots=True, eq=False)
class PendingClaim:
    """What was sent to a warm bot for a session, and whether the bot confirmed it: decided once.

    Attributes:
        message_id: of the assignment.
        confirm: lets the session have the bot; returns the session's inbox, or None if that has been stopped
            meanwhile.
        outcome: True once it is confirmed.
    """

    message_id: str
    confirm: Callable[[], Inbox | None]
    outcome: asyncio.Future[bool]

    def fail(self) -> None:
        """Note that this bot won't have the session, unless it has it already."""
        if not self.outcome.done():
            self.outcome.set_result(False)


@dataclass(slots=True, eq=False)
class HeldBot:
    """A warm bot that no session has yet. It belongs to `WarmBots`; everyone else reads it.

    Times are on the monotonic clock.

    Attributes:
        launched_at: when it was launched, or found.
        created_at: when it was launched, by this controller or an earlier one.
        may_be_partial: another controller launched it, and may have been killed before it had finished.
        ready_at: when it first reported or polled; None before that.
        heard_at: when it last did.
        leaves_at: when it was asked to leave; None if it wasn't.
        open_polls: how many of its requests for messages are held here right now.
    """

    bot: WarmBot
    launched_at: float
    created_at: float
    may_be_partial: bool = False
    stage: WarmStage = WarmStage.STARTING
    inbox: Inbox = field(default_factory=Inbox)
    ready_at: float | None = None
    heard_at: float | None = None
    leaves_at: float | None = None
    open_polls: int = 0
    claim: PendingClaim | None = None

    @property
    def launch_id(self) -> str:
        return self.bot.launch_id


class WarmBots:
    """Holds warm bots by launch id, from their launch until a session has them or they are gone.

    Attributes:
        changed: is called when the plan may have to be another.
    """

    def __init__(self, changed: Callable[[], None], became_ready: Callable[[HeldBot], None]) -> None:
        """`became_ready` is called when a bot is heard for the first time."""
        self.changed = changed
        self._became_ready = became_ready
        self._bots: dict[str, HeldBot] = {}

    def __contains__(self, launch_id: str) -> bool:
        return launch_id in self._bots

    def __len__(self) -> int:
        return len(self._bots)

    def all(self) -> list[HeldBot]:
        return list(self._bots.values())

    def find(self, launch_id: str) -> HeldBot | None:
        return self._bots.get(launch_id)

    def add(self, bot: WarmBot, now: float) -> HeldBot:
        """Hold a bot that is being launched."""
        held = HeldBot(bot, now, now)
        self._bots[bot.launch_id] = held
        return held

    def adopt(self, bot: WarmBot, now: float, age: float) -> None:
        """Hold a bot that another controller launched."""
        self._bots[bot.launch_id] = HeldBot(bot, now, now - age, may_be_partial=True)

    def stages(self) -> Mapping[str, Counter[WarmStage]]:
        """Return how many warm bots each agent has, by stage."""
        stages: defaultdict[str, Counter[WarmStage]] = defaultdict(Counter)
        for each in self._bots.values():
            stages[each.bot.agent][each.stage] += 1
        return stages

    # --- events ---

    def take(self, agent: str, version_id: str, given: str) -> HeldBot | None:
        """Take a ready bot of this version, given this, whose poll is open here; the one that polled last."""
        able = [
            each
            for each in self._bots.values()
            if each.stage is WarmStage.READY
            and each.open_polls
            and (each.bot.agent, each.bot.agent_version, each.bot.given) == (agent, version_id, given)
        ]
        if not able:
            return None
        taken = max(able, key=lambda each: each.heard_at or 0.0)
        taken.stage = WarmStage.CLAIMING
        self.changed()
        return taken

    def launched_again(self, held: HeldBot) -> None:
        """Note that what it may lack is being added."""
        held.may_be_partial = False

    def leaves(self, held: HeldBot, now: float) -> None:
        """Note that it was asked to leave, and send it and its claim away."""
        if held.claim is not None:
            held.claim.fail()
        if held.stage is WarmStage.LEAVING:
            return
        held.stage, held.leaves_at = WarmStage.LEAVING, now
        held.inbox.close(LaunchEnded())
        self.changed()

    def gone(self, held: HeldBot) -> None:
        """Forget it: it is gone, or never existed."""
        if held.claim is not None:
            held.claim.fail()
        if self._bots.get(held.launch_id) is held:
            del self._bots[held.launch_id]
            held.inbox.close(LaunchEnded())
            self.changed()

    def has_session(self, launch_id: str, inbox: Inbox) -> None:
        """Note that a session has this bot, by another controller's claim; its polls go on in that inbox."""
        if (held := self._bots.pop(launch_id, None)) is not None:
            if held.claim is not None:
                held.claim.fail()
            held.inbox.hand_on(inbox)
            self.changed()

    def close(self, error: ControllerError) -> None:
        """End all polls, and those to come, with this error."""
        for each in self._bots.values():
            each.inbox.close(error)

    # --- messages ---

    def report(self, launch_id: str, report: Report, now: float) -> int:
        """Take a bot's report that it is ready. Return the number to acknowledge."""
        self._heard(launch_id, now)
        return report.seq

    async def poll(
        self, launch_id: str, after: str | None, timeout_seconds: float, now: Callable[[], float]
    ) -> InboxPage:
        """Return the messages for a bot; wait for one, even if a session takes the bot meanwhile."""
        held = self._heard(launch_id, now())
        inbox, until = held.inbox, now() + timeout_seconds
        held.open_polls += 1
        try:
            messages = await inbox.poll(after, timeout_seconds)
        finally:
            held.open_polls -= 1
            held.heard_at = now()
        if not messages and inbox.successor is not None:
            inbox = inbox.successor
            messages = await inbox.poll(after, max(0.0, until - now()))
        return InboxPage(messages=messages, withdrawn=inbox.take_withdrawn())

    async def assign(
        self,
        held: HeldBot,
        session_id: str,
        assignment: Assignment,
        confirm: Callable[[], Inbox | None],
        timeout_seconds: float,
    ) -> bool:
        """Send a bot that is being claimed its session. Return whether it confirmed that in time."""
        if held.stage is not WarmStage.CLAIMING or held.launch_id not in self._bots:
            return False
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        held.claim = claim = PendingClaim(held.inbox.assign(session_id, assignment), confirm, outcome)
        # Not the time-out decides but what came first: a confirmation may arrive with it.
        await asyncio.wait([outcome], timeout=timeout_seconds)
        claim.fail()
        return outcome.result()

    def answer(self, launch_id: str, message_id: str, answer: InboxAnswer, now: float) -> Assignment | None:
        """Take a bot's answer. The first confirmation in time makes the bot its session's.

        Raises:
            LaunchEnded: the bot is not wanted any more.
        """
        held = self._heard(launch_id, now)
        claim, inbox = held.claim, held.inbox
        if claim is None or claim.message_id != message_id:
            return None
        if answer.refusal is not None:
            claim.fail()
        if claim.outcome.done() or (successor := claim.confirm()) is None:
            claim.fail()
            raise LaunchEnded
        assignment = inbox.assignment_for(message_id)
        inbox.answer(message_id, answer)
        inbox.hand_on(successor)
        del self._bots[launch_id]
        claim.outcome.set_result(True)
        self.changed()
        return assignment

    def _heard(self, launch_id: str, now: float) -> HeldBot:
        held = self._bots[launch_id]
        if held.stage is WarmStage.LEAVING:
            raise LaunchEnded
        held.heard_at = now
        if held.stage is WarmStage.STARTING:
            held.stage, held.ready_at = WarmStage.READY, now
            self._became_ready(held)
            self.changed()
        return held
