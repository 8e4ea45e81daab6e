"""Faults that no cause from outside can bring about, for bots of users who are named after them.

Python imports this at its start where PYTHONPATH names the folder. It also notes what a bot exits with, which
only its parent, the controller, gets to see.
"""
# ruff: noqa: PLC0415 - a bot imports its parts late, and so must who breaks them

import importlib.abc
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

EXITS = "PYTHON_EXITS"
"""A directory for a file per session; named so that the controller hands it to bots as it does PYTHONPATH."""

leave = os._exit
report = sys.excepthook


def note_exit(code: int) -> None:
    path = Path(os.environ[EXITS]) / os.environ["SESSION_ID"]
    written = path.with_suffix(".part")
    written.write_text(str(code))
    written.replace(path)


def exit_noted(status: int) -> NoReturn:
    note_exit(status)
    leave(status)


def unhandled_noted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    note_exit(1)
    report(kind, error, trace)


class AtImport(importlib.abc.MetaPathFinder):
    """Brings a fault about where the call's parts are imported."""

    def __init__(self, fault: Callable[[], None]) -> None:
        self.fault = fault

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        if name == "podline.runner.session":
            self.fault()


def fail_now() -> None:
    raise RuntimeError("a fault at import")


async def fail(*_: Any) -> None:
    raise RuntimeError("a fault in the middle of the call")


async def exit_at_once(*_: Any) -> NoReturn:
    sys.exit(0)


kept: list[bytearray] = []


async def hoard(*_: Any) -> NoReturn:
    """Take all memory there is, but for what a few words need, and keep it."""
    while True:
        kept.append(bytearray(16 * 1024 * 1024))


async def block(*_: Any) -> None:
    time.sleep(60)  # noqa: ASYNC251 - the fault


def keeping_ends(process_frame: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that handles frames as this one, but for those that end a call."""

    async def process(processor: Any, frame: Any, direction: Any) -> None:
        if type(frame).__name__ not in ("EndFrame", "CancelFrame"):
            await process_frame(processor, frame, direction)

    return process


def bring_about(fault: str) -> None:
    match fault:
        case "crash-at-import":
            sys.meta_path.insert(0, AtImport(fail_now))
        case "out-of-memory":
            from bot.tools.products import ProductTools

            setattr(ProductTools, "_search", hoard)  # noqa: B010 - so does a bug that nobody declared
        case "crash-in-a-tool":
            from bot.tools.products import ProductTools

            setattr(ProductTools, "_search", fail)  # noqa: B010 - so does a bug that nobody declared
        case "crash-in-the-pipeline":
            from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator

            setattr(LLMUserAggregator, "_handle_llm_messages_append", fail)  # noqa: B010 - likewise
        case "blocks-the-loop":
            from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator

            setattr(LLMUserAggregator, "_handle_llm_messages_append", block)  # noqa: B010 - likewise
        case "end-withheld" | "end-withheld-from-a-signal":
            from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator

            kept_back = keeping_ends(LLMUserAggregator.process_frame)
            setattr(LLMUserAggregator, "process_frame", kept_back)  # noqa: B010 - likewise
        case "crash-in-the-main-flow":
            from podline.runner.room.webrtc import Peer

            setattr(Peer, "watch", fail)  # noqa: B010 - likewise
        case "exits-by-itself":
            from podline.runner.room.webrtc import Peer

            setattr(Peer, "watch", exit_at_once)  # noqa: B010 - likewise
        case "wrong-variable":
            os.environ["CONVEX_URL"] = "the-shop"


if "SESSION_ID" in os.environ and EXITS in os.environ:
    os._exit = exit_noted
    sys.excepthook = unhandled_noted
    bring_about(os.environ["USER_ID"])
