"""Logs of several bots in one answer: the last lines, in their order, and no more than one can hold."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.errors import RuntimeUnavailable
from controller.core.session import Diagnostics, Session
from controller.runtimes.kubernetes.job.manifests import EXAMPLE
from controller.web.pipecat_cloud.log_lines import read_lines
from testing.fakes.controllers.runtimes_and_rooms import FakeRuntime

MEGABYTE = 1_000_000


class Logs(FakeRuntime):
    """Logs of bots by their launch ids: pieces, with None for one that never comes."""

    def __init__(self, **logs: Sequence[bytes | None]) -> None:
        super().__init__()
        self.pieces = logs
        self.read: list[str] = []

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        assert not follow
        self.read.append(launch_id)
        if launch_id not in self.pieces:
            raise RuntimeUnavailable("The log can't be read. The controller may not get pods/log.")
        return self._pieces(launch_id)

    async def _pieces(self, launch_id: str) -> AsyncIterator[bytes]:
        for each in self.pieces[launch_id]:
            if each is None:
                await asyncio.Event().wait()
            else:
                yield each


def sessions(*launch_ids: str) -> list[Session]:
    """One second apart, the newest first."""
    accepted = EXAMPLE.session.timeline.accepted
    return [
        replace(
            EXAMPLE.session,
            id=launch_id,
            launch_id=launch_id,
            timeline=replace(EXAMPLE.session.timeline, accepted=accepted - timedelta(seconds=number)),
        )
        for number, launch_id in enumerate(launch_ids)
    ]


async def lines_of(runtime: FakeRuntime, found: list[Session], limit: int = 100, **more: float) -> list[str]:
    return [each["log"] for each in await read_lines(runtime, found, limit, **more)]


async def test_the_last_lines_of_all_come_in_their_order() -> None:
    def at(moment: str) -> str:
        return json.dumps({"at": moment})

    early, late, later = (
        at("2000-01-01T03:00:01+03:00"),
        at("2000-01-01T00:00:02Z"),
        at("2000-01-01T00:00:03"),
    )
    runtime = Logs(new=[f"{late}\n{later}\n".encode(), b"and mo", b"re\n\n"], old=[f"{early}\n".encode()])

    assert await lines_of(runtime, sessions("new", "old")) == [early, late, later, "and more"]
    assert await lines_of(runtime, sessions("new", "old"), 2) == [later, "and more"]


async def test_one_line_without_an_end_is_cut() -> None:
    runtime = Logs(one=[b"begun ", *[b"x" * 65_536] * 160, b"\nlast"])
    tracemalloc.start()
    try:
        first, last = await lines_of(runtime, sessions("one"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (len(first), first[:8], last) == (4096, "begun xx", "last")
    assert peak < MEGABYTE


async def test_many_long_lines_are_no_more_than_an_answer_can_hold() -> None:
    long = b"".join(b"%d " % number + b"y" * 4096 + b"\n" for number in range(100))
    runtime = Logs(**{f"bot-{number}": [long] * 20 for number in range(20)})
    found = await lines_of(runtime, sessions(*runtime.pieces), 10_000)

    assert 3 * MEGABYTE < sum(map(len, found)) <= 4 * MEGABYTE


async def test_logs_that_never_end_share_one_time_and_what_was_read_is_shown() -> None:
    endless = {f"bot-{number}": [b"a line\n", None] for number in range(20)}
    runtime = Logs(**endless)

    assert await lines_of(runtime, sessions(*endless), seconds=0.05) == ["a line"]
    assert runtime.read == ["bot-0"]


async def test_of_hundreds_of_sessions_the_newest_are_read() -> None:
    names = [f"bot-{number}" for number in range(500)]
    runtime = Logs(**{name: [name.encode()] for name in names})

    assert sorted(await lines_of(runtime, sessions(*names))) == sorted(names[:20])


async def test_what_was_kept_of_a_log_that_is_gone_is_shown() -> None:
    [session] = sessions("gone")
    kept = replace(session, diagnostics=Diagnostics(log=("it failed",)))

    assert await lines_of(Logs(gone=[]), [kept]) == ["it failed"]


async def test_why_no_log_can_be_read_is_said() -> None:
    with pytest.raises(RuntimeUnavailable, match="may not get pods/log"):
        await read_lines(Logs(), sessions("one"), 100)
    with pytest.raises(RuntimeUnavailable, match="could not be read in time"):
        await read_lines(Logs(one=[None]), sessions("one"), 100, seconds=0.05)
    assert await lines_of(Logs(one=[b"a line"]), sessions("two", "one")) == ["a line"]
    assert await lines_of(Logs(), []) == []
