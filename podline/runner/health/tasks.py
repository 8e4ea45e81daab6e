"""Pipecat's tasks, watched: a task that ends is reported instead of only logged."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from pipecat.services.llm_service import LLMService
from pipecat.utils.asyncio.task_manager import TaskManager


@dataclass(frozen=True)
class EndedTask:
    """A task that ended although nobody cancelled it.

    Attributes:
        owner: The name of the processor, or another part of Pipecat, that began it.
        name: The owner's name for it.
        module: The module of its code.
        error: The uncaught exception; None if it returned.
    """

    owner: str
    name: str
    module: str
    error: BaseException | None = None


class WatchedTasks(TaskManager):
    """Runs the tasks of a pipeline, all of them: processors, observers, transports and the worker."""

    def __init__(self, ended: Callable[[EndedTask], None]) -> None:
        """Watch each task; call `ended` at once for one that ends by itself."""
        super().__init__()
        self._ended = ended

    def create_task(
        self, coroutine: Coroutine[Any, Any, Any], name: str, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(self._watched(coroutine, name), name, context)
        # A task that is cancelled before its first step never runs its coroutine.
        task.add_done_callback(lambda _task: coroutine.close())
        return task

    async def _watched(self, coroutine: Coroutine[Any, Any, Any], name: str) -> Any:
        try:
            result = await coroutine
        except asyncio.CancelledError as error:
            # The task itself was not cancelled, but something that it awaited was.
            if not _is_being_cancelled() and not _is_tool(coroutine):
                self._report(name, error)
            raise
        except SystemExit as error:
            # It would stop the event loop, and the process would exit without its final report.
            self._report(name, error)
        except Exception as error:
            self._report(name, error)
            raise
        else:
            self._report(name)
            return result

    def _report(self, name: str, error: BaseException | None = None) -> None:
        owner, _, own_name = name.partition("::")
        self._ended(EndedTask(owner, own_name or name, _module(error), error))


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_tool(coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Return whether the task runs a tool, whose end concerns only its own call."""
    return inspect.iscoroutine(coroutine) and coroutine.cr_code is LLMService._run_function_call.__code__  # noqa: SLF001 - Pipecat has no other sign


def _module(error: BaseException | None) -> str:
    """Return the module of the task's outermost function, below this one."""
    trace = None if error is None else error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
