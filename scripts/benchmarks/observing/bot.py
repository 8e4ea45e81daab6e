"""Our runner with other observers, for bots of users with certain names.

`python -m scripts.benchmarks.observing.bot FILE`: for `unobserved`, nothing is observed for measurements. For
`recorded`, what observers get to see is kept, and given to others of their kind again when the call is over;
how much of the processor's time that took is left in the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from podline.contract import environment
from podline.runner.__main__ import main

if TYPE_CHECKING:
    from podline.runner.early_imports import HoldCall
    from podline.runner.ending import CallEnding

# ruff: noqa: PLC0415 - as in the runner, Pipecat is imported once the variables are read

TURNS: Final = 5
MOST_EVENTS: Final = 10_000
"""The last ten seconds: a bot that takes longer to leave is given up."""


def unobserved(_hold: HoldCall) -> HoldCall:
    """Hold calls whose services and speech are not observed."""
    from pipecat.observers.base_observer import BaseObserver

    from podline.runner.observers.measurements import SessionObservers
    from podline.runner.session import hold_call

    class NoObservers(SessionObservers):
        def of_call(self, *_others: BaseObserver) -> list[BaseObserver]:
            return []

    return partial(hold_call, make_observers=NoObservers)


def recorded(_hold: HoldCall) -> HoldCall:
    """Hold calls that are observed as always, and replayed to observers alone at the end."""
    from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed

    from podline.runner.observers.measurements import SessionObservers
    from podline.runner.session import hold_call

    seen: deque[tuple[float, FramePushed | FrameProcessed]] = deque(maxlen=MOST_EVENTS)

    class Recorder(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            seen.append((time.monotonic(), data))

        async def on_process_frame(self, data: FrameProcessed) -> None:
            seen.append((time.monotonic(), data))

    class RecordedObservers(SessionObservers):
        def of_call(self, *others: BaseObserver) -> list[BaseObserver]:
            return [*super().of_call(*others), Recorder()]

    hold_recorded: HoldCall = partial(hold_call, make_observers=RecordedObservers)

    async def hold(*given: Any) -> CallEnding:
        ending = await hold_recorded(*given)
        seen_in_call = list(seen)
        with_, without = [], []
        for _ in range(TURNS):
            ours = SessionObservers(lambda _: None, lambda: True).of_call(_answers())
            with_.append(await _replay(seen_in_call, ours))
            without.append(await _replay(seen_in_call, []))
        seconds = seen_in_call[-1][0] - seen_in_call[0][0]
        figures = {"seconds": seconds, "frames": len(seen_in_call), "with": with_, "without": without}
        _write_at_once(Path(sys.argv[1]), json.dumps(figures))
        return ending

    return hold


def _write_at_once(file: Path, text: str) -> None:
    """Whoever waits for the file finds all of it."""
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.rename(file)


def _answers() -> Any:
    """Return what follows answers, with an output that plays nothing."""
    from pipecat.processors.filters.identity_filter import IdentityFilter

    from podline.runner.mute import MuteWatch
    from podline.runner.observers.answers import AnswerObserver

    async def ignore(_seconds: float) -> None: ...

    clock = asyncio.get_running_loop().time
    return AnswerObserver(MuteWatch(0), IdentityFilter(), clock, ignore, transcribes=False)


async def _replay(seen: Iterable[tuple[float, Any]], observers: list[Any]) -> float:
    """Have these observers see it all again, one thing after another; the processor's seconds."""
    from pipecat.observers.base_observer import FramePushed
    from pipecat.pipeline.worker_observer import WorkerObserver
    from pipecat.utils.asyncio.task_manager import TaskManager, TaskManagerParams

    from podline.runner.observers.voice import VoiceObserver

    manager = TaskManager()
    manager.setup(TaskManagerParams(loop=asyncio.get_running_loop()))
    worker = WorkerObserver(observers=[VoiceObserver(), *observers])
    await worker.setup(manager)
    began = time.thread_time()
    for _, data in seen:
        if isinstance(data, FramePushed):
            await worker.on_push_frame(data)
        else:
            await worker.on_process_frame(data)
        # Each is dealt with before the next one comes, as in a call.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    took = time.thread_time() - began
    await worker.cleanup()
    return took


KINDS: Final[dict[str, Callable[[HoldCall], HoldCall]]] = {"unobserved": unobserved, "recorded": recorded}

if __name__ == "__main__":
    main(KINDS.get(os.environ.get(environment.USER_ID, "").partition("-")[0]))
