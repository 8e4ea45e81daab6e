"""A flag lets everybody who waits go on, now or later."""

import asyncio

import pytest

from controller.core.primitives.flag import Flag


async def test_all_who_wait_go_on_when_it_is_set() -> None:
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)

    flag.set()
    await asyncio.gather(*waiting)

    assert flag.is_set()


async def test_who_comes_later_does_not_wait() -> None:
    flag = Flag()
    flag.set()
    await flag.wait()


async def test_a_wake_lets_go_those_who_wait_and_nobody_after_them() -> None:
    flag = Flag()
    waiting = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)
    flag.wake()
    await waiting
    later = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)

    assert not later.done()
    later.cancel()


async def test_one_who_gave_up_waiting_is_in_nobodys_way() -> None:
    flag = Flag()
    gone, stays = (asyncio.create_task(flag.wait()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    flag.set()

    await stays


async def test_a_cleared_flag_is_waited_for_again() -> None:
    flag = Flag()
    flag.set()
    flag.clear()
    waiting = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    flag.set()
    await waiting


async def test_those_who_wait_in_vain_again_and_again_are_not_kept() -> None:
    flag = Flag()
    for _ in range(100):
        waiting = asyncio.create_task(flag.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])

    assert not flag._waiting
