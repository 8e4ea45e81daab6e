"""Removes a bot's observers, or measures their cost, for bots of users with certain names.

Python imports this at its start where PYTHONPATH names the folder. `unobserved`: nothing is observed for
measurements. `recorded`: what observers get to see is kept, and given to others of their kind again when the
call is over; how much of the processor's time that took is left in a file.
"""
# ruff: noqa: PLC0415 - a bot imports its parts late, and so must who changes them

import asyncio
import importlib.abc
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

FIGURES = "PYTHON_FIGURES"
"""A file for what a `recorded` bot leaves; named so that the controller hands it on as it does PYTHONPATH."""
TURNS = 5
MOST_EVENTS = 10_000
"""The last ten seconds: a bot that takes longer to leave is given up."""


class AtImport(importlib.abc.MetaPathFinder):
    """Changes how a call is measured, just before its parts are imported."""

    def __init__(self, change: Callable[[], None]) -> None:
        self.change = change

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        if name == "podline.runner.session":
            self.change()


def take_observers_away() -> None:
    from podline.runner.observers.measurements import SessionObservers

    setattr(SessionObservers, "of_call", lambda *_: [])  # noqa: B010 - replaces a class's method


def record_what_they_see() -> None:
    from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed

    from podline.runner.observers.measurements import SessionObservers

    make = SessionObservers.of_call
    seen: deque[FramePushed | FrameProcessed] = deque(maxlen=MOST_EVENTS)
    moments: deque[float] = deque(maxlen=MOST_EVENTS)
    one_tells = threading.Lock()

    class PushRecorder(BaseObserver):
        async def on_push_frame(self, data: FramePushed) -> None:
            seen.append(data)
            moments.append(time.monotonic())

        async def on_process_frame(self, data: FrameProcessed) -> None:
            seen.append(data)
            moments.append(time.monotonic())

    async def announce() -> None:
        with_, without = [], []
        for _ in range(TURNS):
            with_.append(await replay(seen, make(SessionObservers(lambda _: None, lambda: True), answers())))
            without.append(await replay(seen, []))
        seconds = moments[-1] - moments[0]
        figures = {"seconds": seconds, "frames": len(seen), "with": with_, "without": without}
        whole = Path(f"{os.environ[FIGURES]}.part")
        whole.write_text(json.dumps(figures))  # noqa: ASYNC240 - nobody else is in this loop
        whole.rename(os.environ[FIGURES])  # noqa: ASYNC240 - likewise

    def report_and_exit(code: int) -> NoReturn:
        # The loop that calls this is to end now, so another one has to do it.
        with one_tells:  # the thread that ends a bot by force may come as well
            telling = threading.Thread(target=lambda: asyncio.run(announce()))
            telling.start()
            telling.join()
            leave(code)

    leave = os._exit
    setattr(os, "_exit", report_and_exit)  # noqa: B010 - replaces another's function
    setattr(SessionObservers, "of_call", lambda *given: [*make(*given), PushRecorder()])  # noqa: B010 - likewise


def answers() -> Any:
    """Return what follows answers, with an output that plays nothing."""
    from pipecat.processors.filters.identity_filter import IdentityFilter

    from podline.runner.mute import MuteWatch
    from podline.runner.observers.answers import AnswerObserver

    clock = asyncio.get_running_loop().time
    return AnswerObserver(MuteWatch(0), IdentityFilter(), clock, ignore, transcribes=False)


async def ignore(_seconds: float) -> None: ...


async def replay(seen: Iterable[Any], observers: list[Any]) -> float:
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
    for data in seen:
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


CHANGES = {"unobserved": take_observers_away, "recorded": record_what_they_see}

if (user := os.environ.get("USER_ID", "").partition("-")[0]) in CHANGES:
    sys.meta_path.insert(0, AtImport(CHANGES[user]))
