"""Whoever watches sees each thing as it is now, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.supervision.events import Feed


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    return [await asyncio.wait_for(anext(stream), 5) for _ in range(count)]


async def rest(stream: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in stream]


async def test_a_watcher_gets_what_is_there_then_each_change() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", 1)
    feed.put("b", 1)
    stream = feed.follow(None, None)
    assert [item for _, item in await take(stream, 2)] == [1, 1]

    feed.put("a", 2)
    assert [item for _, item in await take(stream, 1)] == [2]
    await stream.aclose()


async def test_who_follows_one_thing_hears_of_no_other() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", "a1")
    feed.put("b", "b1")
    stream = feed.follow("b", None)
    await take(stream, 1)
    feed.put("a", "a2")
    feed.put("b", "b2")

    assert [item for _, item in await take(stream, 1)] == ["b2"]
    await stream.aclose()


async def test_a_slow_reader_is_owed_the_latest_of_each_thing_and_no_more() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", 0)
    stream = feed.follow(None, None)
    await take(stream, 1)
    for number in range(1000):
        feed.put("a", number)
        feed.put("b", number)
    feed.close()

    assert [item for _, item in await rest(stream)] == [999, 999]


async def test_who_comes_back_gets_only_what_changed_meanwhile() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", "a1")
    feed.put("b", "b1")
    stream = feed.follow(None, None)
    [_, (seen, _)] = await take(stream, 2)
    await stream.aclose()
    feed.put("a", "a2")
    feed.close()

    assert [item for _, item in await rest(feed.follow(None, seen))] == ["a2"]


async def test_an_id_that_is_not_ours_starts_with_everything() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", "a1")
    feed.close()
    stream = feed.follow(None, None)
    [(known, _)] = await take(stream, 1)
    await stream.aclose()

    for stranger in ("", "other-1", "1", f"{known}00", f"{known.partition('-')[0]}-x"):
        assert [item for _, item in await rest(feed.follow(None, stranger))] == ["a1"]


async def test_the_stream_of_one_thing_ends_when_it_is_forgotten() -> None:
    feed: Feed[Any] = Feed()
    feed.put("a", 1)
    stream = feed.follow("a", None)
    await take(stream, 1)
    ending = asyncio.create_task(rest(stream))
    await asyncio.sleep(0)
    feed.drop("a")

    assert await asyncio.wait_for(ending, 5) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_a_reader_at_any_pace_ends_up_knowing_how_things_are(changes: list[tuple[str, bool]]) -> None:
    async def run() -> None:
        feed: Feed[tuple[str, int]] = Feed()
        known: dict[str, int] = {}
        numbers: list[int] = []
        stream = feed.follow(None, None)

        def note(event_id: str, item: tuple[str, int]) -> None:
            known[item[0]] = item[1]
            numbers.append(int(event_id.partition("-")[2]))

        for number, (key, read_now) in enumerate(changes):
            feed.put(key, (key, number))
            if read_now:
                note(*await anext(stream))
        feed.close()
        for event in await rest(stream):
            note(*event)

        assert known == {key: number for number, (key, _) in enumerate(changes)}
        assert numbers == sorted(set(numbers))

    asyncio.run(run())
