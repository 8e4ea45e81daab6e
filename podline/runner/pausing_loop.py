"""The event loop of the call, which pauses while a bot's file is imported.

No loop is running then, as in Pipecat's own runner, so the file may run one: `asyncio.run(load_prompts())`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopStopped(Exception):  # noqa: N818 - named for what happened
    """The loop was stopped by code that it ran."""


class PausingLoop:
    """Runs one coroutine, and functions while the loop pauses."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run this loop, which is not closed: that would wait for tasks that libraries left in it."""
        self._loop = loop
        self._asked: Callable[[], None] | None = None

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run the coroutine to its end.

        Raises:
            LoopStopped: The loop was stopped before that.
        """
        asyncio.set_event_loop(self._loop)
        task = self._loop.create_task(main)
        task.add_done_callback(lambda _task: self._loop.stop())
        while not task.done():
            self._loop.run_forever()
            asked, self._asked = self._asked, None
            if asked is not None:
                asked()
                # The function may have run another loop, after which there is none.
                asyncio.set_event_loop(self._loop)
            elif not task.done():
                raise LoopStopped
        task.result()

    async def paused(self, function: Callable[[], Result]) -> Result:
        """Return what the function returns, which is called while the loop pauses."""
        outcome: asyncio.Future[Result] = self._loop.create_future()

        def call() -> None:
            try:
                outcome.set_result(function())
            except Exception as error:  # noqa: BLE001 - it is raised where the function was asked for
                outcome.set_exception(error)

        self._asked = call
        self._loop.stop()
        return await outcome
