"""A bot's log: the newest part is kept, and can be followed."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtimes.local.bounded_log import BoundedLog


async def text_of(log: BoundedLog, *, follow: bool = False) -> bytes:
    return b"".join([part async for part in log.read(follow=follow)])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30))
def test_the_newest_part_is_kept_within_bounds(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = BoundedLog(directory, limit_bytes=50)
    for part in parts:
        log.write(part)
    log.close()
    written = b"".join(parts)
    kept = asyncio.run(text_of(log))

    assert written.endswith(kept)
    assert len(kept) <= 2 * 50
    assert len(kept) >= min(len(written), 11)
    assert sum(file.stat().st_size for file in directory.iterdir()) == len(kept)


async def test_a_follower_gets_what_is_there_and_what_comes_until_the_end(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path, limit_bytes=50)
    log.write(b"before\n")
    following = asyncio.create_task(text_of(log, follow=True))
    await asyncio.sleep(0)
    log.write(b"after\n")
    await asyncio.sleep(0)
    log.close()

    assert await asyncio.wait_for(following, 5) == b"before\nafter\n"


async def test_a_follower_who_is_too_slow_goes_on_with_what_is_kept(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path, limit_bytes=10)
    log.write(b"0123456789")
    reading = log.read(follow=True)
    assert await anext(reading) == b"0123456789"
    for letter in b"abc":
        log.write(bytes([letter]) * 10)
    log.close()

    assert [part async for part in reading] == [b"b" * 10, b"c" * 10]
