"""Whoever begins to read a watch late knows the same as one who has read it from the beginning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from controller.runtimes.kubernetes.client.collection import WatchHealth
from controller.runtimes.kubernetes.client.objects import Job, Labels, Meta
from controller.runtimes.kubernetes.client.watch import Change, Gone, Listed, Seen, Watch
from controller.runtimes.kubernetes.client.watch_cache import WatchCache

Known = list[tuple[tuple[str, str], str]]
"""The version of each object by its name and launch, in the order of its last change."""


class ScriptedWatch:
    """Yields what it is given, as a `Watch` does."""

    def __init__(self) -> None:
        self.health = WatchHealth()
        self._changes: asyncio.Queue[Change[Job]] = asyncio.Queue()

    def resume(self) -> None:
        """Bring nothing that it has not brought: it was never half-open."""

    async def changes(self) -> AsyncGenerator[Change[Job], None]:
        while True:
            change = await self._changes.get()
            if isinstance(change, Listed):
                self.health.listed()
            yield change
            self._changes.task_done()

    async def yields(self, changes: Iterable[Change[Job]]) -> None:
        """Return once all of them have been taken in."""
        for change in changes:
            self._changes.put_nowait(change)
        await self._changes.join()


def job(name: str, launch_id: str, version: str) -> Job:
    return Job(metadata=Meta(name=name, resource_version=version, labels=Labels(launch_id=launch_id)))


def known_by(changes: Iterable[Change[Job]]) -> Known:
    known: dict[tuple[str, str], str] = {}
    for change in changes:
        match change:
            case Seen(object=seen):
                key = seen.metadata.name, seen.metadata.labels.launch_id or ""
                known.pop(key, None)
                known[key] = seen.metadata.resource_version
            case Gone():
                known.pop((change.name, change.launch_id), None)
            case Listed():
                pass
    return list(known.items())


async def read_late(
    before: list[Change[Job]], after: list[Change[Job]], keeps_gone: Callable[[Job], bool] = lambda _: True
) -> list[Change[Job]]:
    """Return what a reader gets that begins after the first changes."""
    watch = ScriptedWatch()
    cache = WatchCache(cast("Watch[Job]", watch), keeps_gone)
    following = asyncio.create_task(cache.run())
    await watch.yields(before)
    got: list[Change[Job]] = []

    async def read() -> None:
        async with aclosing(cache.changes()) as changes:
            async for change in changes:
                got.append(change)  # noqa: PERF401 - what was read is needed though it never ends

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await watch.yields(after)
    for _ in range(len(before) + len(after) + 2):
        await asyncio.sleep(0)
    for task in (reading, following):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return got


_KEYS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["launch-1", "launch-2"]))
_CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("seen"), _KEYS),
        st.tuples(st.just("gone"), _KEYS),
        st.tuples(st.just("listed"), _KEYS),
    ),
    max_size=30,
)


def made(steps: list[tuple[str, Any]]) -> list[Change[Job]]:
    changes: list[Change[Job]] = []
    for number, (what, (name, launch_id)) in enumerate(steps):
        match what:
            case "seen":
                changes.append(Seen(job(name, launch_id, str(number))))
            case "gone":
                changes.append(Gone(launch_id, name, None))
            case _:
                changes.append(Listed())
    return changes


@given(_CHANGES, st.integers(0, 30))
def test_a_reader_that_begins_late_knows_what_one_knows_who_has_read_everything(
    steps: list[tuple[str, Any]], begins: int
) -> None:
    changes = made(steps)
    got = asyncio.run(read_late(changes[:begins], changes[begins:]))

    assert known_by(got) == known_by(changes)


@given(_CHANGES, st.integers(0, 30))
def test_a_reader_learns_that_a_list_is_complete_only_after_what_it_contains(
    steps: list[tuple[str, Any]], begins: int
) -> None:
    changes = made(steps)
    before, after = changes[:begins], changes[begins:]
    got = asyncio.run(read_late(before, after))
    listed = [number for number, change in enumerate(got) if isinstance(change, Listed)]

    assert bool(listed) == any(isinstance(change, Listed) for change in changes)
    if any(isinstance(change, Listed) for change in before):
        assert known_by(got[: listed[0]]) == known_by(before)


def test_a_pod_that_goes_does_not_take_along_another_one_of_its_launch() -> None:
    first, second = job("first", "launch-1", "1"), job("second", "launch-1", "2")
    gone = Gone("launch-1", "first", first)
    got = asyncio.run(read_late([Seen(first), Seen(second), gone], []))

    assert got == [Seen(first), gone, Seen(second)]


def test_a_reader_learns_the_last_state_of_what_vanished_while_nothing_was_watched() -> None:
    last = job("first", "launch-1", "2")
    got = asyncio.run(
        read_late([Seen(job("first", "launch-1", "1")), Seen(last), Gone("launch-1", "first", None)], [])
    )

    assert got == [Seen(last), Gone("launch-1", "first", last)]


def test_nothing_is_kept_twice_once_there_is_a_reader() -> None:
    async def sizes() -> int:
        watch = ScriptedWatch()
        cache = WatchCache(cast("Watch[Job]", watch))
        following = asyncio.create_task(cache.run())
        await watch.yields([Seen(job("a", "launch-1", "1"))])
        async with aclosing(cache.changes()) as changes:
            await anext(changes)
            await watch.yields([Seen(job("b", "launch-2", "2"))])
            await anext(changes)
        following.cancel()
        await asyncio.wait([following])
        return len(cache._objects) + len(cache._unread)

    assert asyncio.run(sizes()) == 0


async def test_a_launch_that_was_taken_back_does_not_hide_the_next_one() -> None:
    former, next_ = Seen(job("a", "launch-1", "1")), Seen(job("a", "launch-2", "3"))
    gone: Gone[Job] = Gone("launch-1", "a", job("a", "launch-1", "2"))
    assert await read_late([former, gone, next_, Listed()], []) == [next_, Listed()]


async def test_only_what_is_worth_keeping_is_kept_once_it_is_gone() -> None:
    changes: list[Change[Job]] = [
        Gone("launch-1", "a", job("a", "launch-1", "1")),
        Gone("launch-2", "b", job("b", "launch-2", "2")),
        Listed(),
    ]
    got = await read_late(changes, [], lambda gone: gone.metadata.name == "b")
    assert got == [Seen(job("b", "launch-2", "2")), changes[1], Listed()]
