"""Whatever fails and in whichever order: no bot is ever two sessions', and no session has two bots."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controller.core.errors import NotClaimed, UnknownOutcome
from controller.runtimes.kubernetes import names
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Change, Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster, has_ended
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following, job_of

SESSIONS = ("cart-1", "cart-2")
BOTS = ("warm-1", "warm-2", "warm-3")
FAULTS = ("reset_before", "reset_after", "late", "hang", 409, 429, 503)

FAULT = st.none() | st.tuples(st.sampled_from(FAULTS), st.sampled_from(["PATCH", "PATCH", "GET"]))
"""What goes wrong with the next request of a kind."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), FAULT, st.sampled_from(SESSIONS), st.sampled_from(BOTS)),
        st.tuples(st.just("claim"), FAULT, st.sampled_from(SESSIONS), st.sampled_from(BOTS)),
        st.tuples(st.just("give up"), FAULT, st.sampled_from(BOTS)),
        st.tuples(st.just("change"), st.none(), st.sampled_from(BOTS)),
        st.tuples(st.just("end"), st.none(), st.sampled_from(BOTS)),
        st.tuples(st.just("wait"), st.none(), st.sampled_from([1.0, 6.0])),
        st.just(("restart",)),
    ),
    max_size=12,
)


class Starts:
    """What a supervisor does: it holds on to a bot until the outcome of its claim is known or undone."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.cluster = Cluster(server.objects)
        self.followed: Followed
        self.has: dict[str, str] = {}
        self.doubts: dict[str, str] = {}
        self.superfluous: set[str] = set()
        self.sessions_of: dict[str, set[str]] = {}
        self.has_restarted = False
        self.broken: list[str] = []
        self._read = 0
        server.objects.reactions.append(self.check)

    def check(self, change: Change) -> None:
        """After each write. A late one of a controller that is gone may have to be undone first."""
        if change.kind != "jobs" or change.after is None:
            return
        if (session_id := session_on(change.after)) is not None:
            bot = change.after["metadata"]["labels"][names.LAUNCH_ID]
            self.sessions_of.setdefault(bot, set()).add(session_id)
            if len(self.sessions_of[bot]) > 1:
                self.broken.append("a bot has two sessions")
        if not self.has_restarted and max(self.bots_by_session().values(), default=0) > 1:
            self.broken.append("a session has two bots")

    def bots_by_session(self) -> Counter[str]:
        jobs = self.server.objects.all("jobs", "podline")
        return Counter(each for job in jobs if not has_ended(job) and (each := session_on(job)) is not None)

    async def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("claim", fault, session_id, bot):
                self.fail(fault)
                await self.claim(session_id, bot)
            case ("give up", fault, bot):
                self.fail(fault)
                await self.give_up(bot)
            case ("change", _, bot):
                note = {"metadata": {"annotations": {"example.com/note": str(self.server.objects.version)}}}
                self.server.objects.patch("jobs", "podline", name_of(bot), note)
            case ("end", _, bot):
                self.cluster.end_job(name_of(bot), "Failed", "BackoffLimitExceeded")
            case ("wait", _, seconds):
                await asyncio.sleep(seconds)
        await self.observe()

    def fail(self, fault: tuple[Any, str] | None) -> None:
        if fault is None:
            return
        how, method = fault
        what: dict[str, Any] = {"how": how}
        if isinstance(how, int):
            reason = "Conflict" if how == 409 else "InternalError"
            what = {"how": "refuse", "status": how, "reason": reason}
        self.server.misbehave(**what, method=method, watch=False)

    async def claim(self, session_id: str, bot: str) -> None:
        if session_id in self.has or self.doubts.get(session_id, bot) != bot:
            return
        try:
            await self.followed.runtime.claim(made.claim(bot, id=session_id))
        except NotClaimed:
            self.doubts.pop(session_id, None)
        except UnknownOutcome:
            self.doubts[session_id] = bot
        else:
            self.doubts.pop(session_id, None)
            self.has[session_id] = bot
            assert session_on(job_of(self.server, name_of(bot))) == session_id

    async def give_up(self, bot: str) -> None:
        try:
            await self.followed.runtime.give_up(bot)
        except UnknownOutcome:
            return
        self.superfluous.discard(bot)
        self.has = {each: its for each, its in self.has.items() if its != bot}
        self.doubts = {each: its for each, its in self.doubts.items() if its != bot}
        assert session_on(job_of(self.server, name_of(bot))) is None

    async def observe(self) -> None:
        """Adopt the sessions of earlier controllers, but for one that has another bot by now."""
        for each in self.followed.observations[self._read :]:
            self._read += 1
            if each.found is None:
                continue
            if self.has.get(each.found.id, each.launch_id) == each.launch_id:
                self.has[each.found.id] = each.launch_id
            else:
                self.superfluous.add(each.launch_id)

    def restarted(self, followed: Followed) -> None:
        self.followed, self._read = followed, 0
        self.has, self.doubts, self.superfluous = {}, {}, set()

    async def settle(self) -> None:
        """Nothing fails any more, and what is late has come."""
        self.server.behave()
        await asyncio.sleep(30)
        await self.observe()
        for session_id, bot in list(self.doubts.items()):
            await self.claim(session_id, bot)
        for bot in [*self.superfluous]:
            await self.give_up(bot)
        await asyncio.sleep(5)


def name_of(bot: str) -> str:
    return names.warm_job_name("shop", bot)


def session_on(job: Thing) -> str | None:
    found: str | None = job["metadata"]["annotations"].get(names.SESSION_ID)
    return found


LATE = ("late", "PATCH")


@given(STEPS)
@example([("claim", LATE, "cart-1", "warm-1"), ("claim", None, "cart-1", "warm-2"), ("wait", None, 6.0)])
@example([("claim", LATE, "cart-1", "warm-1"), ("restart",), ("claim", None, "cart-1", "warm-2")])
@example([("claim", LATE, "cart-1", "warm-1"), ("give up", None, "warm-1"), ("wait", None, 6.0)])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@at_once_with_sockets
async def test_no_order_of_claims_failures_and_restarts_gives_a_bot_away_twice(
    steps: list[tuple[Any, ...]],
) -> None:
    steps = list(steps)
    async with serve_api() as server:
        for bot in BOTS:
            launch = made.warm_launch(bot=made.warm_bot(launch_id=bot))
            server.objects.create("jobs", "podline", made.warm_manifest(launch))
        starts = Starts(server)
        while True:
            async with following(server) as followed:
                starts.restarted(followed)
                await starts.observe()
                while steps and steps[0] != ("restart",):
                    await starts.take(steps.pop(0))
                if not steps:
                    await starts.settle()
                    assert not starts.broken
                    assert max(starts.bots_by_session().values(), default=0) <= 1
                    held = {bot: session for session, bot in starts.has.items()}
                    assert len(held) == len(starts.has)
                    for bot in BOTS:
                        assert session_on(job_of(server, name_of(bot))) == held.get(bot)
                    return
                steps.pop(0)
                starts.has_restarted = True
                server.behave()
