"""On one machine a warm bot is a process that waits, is one session's at most, and goes when given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.core.agents import BUILT_IN
from controller.core.endings import ending_for
from controller.core.errors import NotClaimed
from controller.core.primitives.clock import system_clock
from controller.core.runtime import Exit, Launch, Observation
from controller.core.warm import WarmBot, WarmLaunch
from controller.runtimes.local.programs import BotProgram
from controller.runtimes.local.runtime import LocalRuntime
from podline.contract import environment
from podline.contract.reasons import Reason
from testing.fakes.controllers.sessions import some_session

PATIENCE_SECONDS = 20.0
WAITS = BotProgram(command=("/bin/sh", "-c", 'echo "warm: $PODLINE_WARM $A_TOKEN"; exec sleep 600'))
STUBBORN = BotProgram(command=("/bin/sh", "-c", "trap : TERM; echo up; while true; do sleep 1; done"))
ENDS = BotProgram(command=("/bin/sh", "-c", "exit 67"))

WARM = WarmLaunch(
    bot=WarmBot(
        launch_id="warm-1", agent=BUILT_IN.name, agent_version=BUILT_IN.id, created=datetime.now(UTC)
    ),
    agent=BUILT_IN,
    environment={environment.LAUNCH_ID: "warm-1", "PODLINE_WARM": "true"},
    secrets={"A_TOKEN": "a-token"},
    deadline_seconds=3600,
)


class Machine:
    """A local runtime that is watched."""

    def __init__(self, runtime: LocalRuntime) -> None:
        self.runtime = runtime
        self.exits: asyncio.Queue[Exit] = asyncio.Queue()
        self.observations: list[Observation] = []

    async def watch(self) -> None:
        async for observation in self.runtime.watch():
            self.observations.append(observation)
            if observation.exit is not None:
                self.exits.put_nowait(observation.exit)

    async def exit(self) -> Exit:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.exits.get()

    async def until_logged(self, text: bytes) -> None:
        seen = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for piece in await self.runtime.logs("warm-1", follow=True):
                seen += piece
                if text in seen:
                    return


@asynccontextmanager
async def machine(directory: Path, program: BotProgram = WAITS, grace: float = 20) -> AsyncIterator[Machine]:
    runtime = LocalRuntime(
        program_of=lambda _agent: program,
        directory=directory,
        grace_seconds=grace,
        keep_ended_seconds=60,
        clock=system_clock(),
    )
    machine = Machine(runtime)
    watching = asyncio.create_task(machine.watch())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while runtime.not_ready_reason() is not None:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.01)
        await runtime.launch_warm(WARM)
        yield machine
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def claim_of(session_id: str) -> Launch:
    session = some_session(id=session_id, launch_id="warm-1")
    return Launch(session=session, environment={}, secrets={}, deadline_seconds=60)


async def test_a_process_that_waits_is_claimed_by_one_session_only(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        await here.until_logged(b"warm: true a-token")
        await here.runtime.launch_warm(WARM)
        await here.runtime.claim(claim_of("one"))
        await here.runtime.claim(claim_of("one"))
        with pytest.raises(NotClaimed):
            await here.runtime.claim(claim_of("two"))
        await here.runtime.stop(claim_of("one").session, ending_for(Reason.STOPPED))

        assert (await here.exit()).signal == 15
        assert {each.launch_id for each in here.observations} == {"warm-1"}


async def test_a_process_that_is_given_up_is_asked_to_leave_and_serves_nobody(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        await here.until_logged(b"warm")
        await here.runtime.give_up("warm-1")
        with pytest.raises(NotClaimed):
            await here.runtime.claim(claim_of("one"))

        assert (await here.exit()).signal == 15
        await here.runtime.give_up("warm-1")


async def test_a_process_that_will_not_leave_is_killed(tmp_path: Path) -> None:
    async with machine(tmp_path, STUBBORN, grace=0.2) as here:
        await here.until_logged(b"up")
        await here.runtime.give_up("warm-1")

        assert (await here.exit()).signal == 9


async def test_a_process_that_has_ended_is_not_claimed(tmp_path: Path) -> None:
    async with machine(tmp_path, ENDS) as here:
        assert (await here.exit()).exit_code == 67
        with pytest.raises(NotClaimed):
            await here.runtime.claim(claim_of("one"))


async def test_a_process_that_never_was_is_neither_claimed_nor_given_up(tmp_path: Path) -> None:
    async with machine(tmp_path) as here:
        with pytest.raises(NotClaimed):
            await here.runtime.claim(
                Launch(session=some_session(), environment={}, secrets={}, deadline_seconds=60)
            )
        await here.runtime.give_up("another")

        assert not [each for each in here.observations if each.exit]
