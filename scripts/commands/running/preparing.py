"""What programs need before they run: each prepared once, one after the other, beside what already runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from podline.machine_errors import explain_error, explain_output
from scripts.commands.running.processes import RunLogged, run_logged

UNAVAILABLE: Final = 3
"""The exit code by which testing.builds says that this machine can't have something."""


class LeftOutError(Exception):
    """This machine can't have it; the text says what is left out for that, and how to get it."""


Make = Callable[[Path, RunLogged], Awaitable[None]]
"""Makes something available, with a log for the programs that it runs, and what runs them."""


@dataclass(frozen=True)
class Preparation:
    """Something that tests need.

    Attributes:
        name: what is made available, such as "the node's images".
        make: makes it available.
        needed: whether nothing of a part can run without it. Else the tests that need it skip themselves.
    """

    name: str
    make: Make = field(repr=False)
    needed: bool = False


@dataclass
class PreparedNeed:
    """How a preparation ended.

    Attributes:
        seconds: that it took.
        problem: why it failed, as a sentence.
        left_out: what is left out because this machine can't have it.
    """

    name: str
    seconds: float = 0.0
    problem: str | None = None
    left_out: str | None = None


class Preparations:
    """Prepares everything in order, in one task; whoever needs a preparation waits for it."""

    def __init__(
        self,
        wanted: Sequence[Preparation],
        logs: Path,
        on_change: Callable[[str], None],
        run: RunLogged = run_logged,
    ) -> None:
        self._futures: dict[Preparation, asyncio.Future[PreparedNeed]] = {
            each: asyncio.get_running_loop().create_future() for each in wanted
        }
        self._logs = logs
        self._on_change = on_change
        self._run = run
        self.current: str | None = None

    async def run(self) -> None:
        for preparation, future in self._futures.items():
            self.current = preparation.name
            future.set_result(await self._prepare(preparation))
        self.current = None

    async def wait_for(self, needs: Sequence[Preparation]) -> PreparedNeed | None:
        """Wait until all are there. Return the one that can't be had, if nothing can run without it."""
        for each in needs:
            prepared = await asyncio.shield(self._futures[each])
            if prepared.problem is not None or (each.needed and prepared.left_out is not None):
                return prepared
        return None

    def finished(self) -> list[PreparedNeed]:
        return [each.result() for each in self._futures.values() if each.done() and not each.cancelled()]

    async def _prepare(self, preparation: Preparation) -> PreparedNeed:
        began = time.monotonic()
        prepared = PreparedNeed(preparation.name)
        log = self._logs / f"prepare-{preparation.name.replace(' ', '-')}.log"
        try:
            await preparation.make(log, self._run)
        except LeftOutError as error:
            prepared.left_out = str(error)
        except PreparationError as error:
            prepared.problem = str(error)
        except OSError as error:
            prepared.problem = explain_error(error) or f"{preparation.name} could not be made: {error}"
        prepared.seconds = time.monotonic() - began
        if prepared.problem is not None:
            self._on_change(f"{preparation.name}: not prepared. {prepared.problem}")
        elif prepared.seconds >= 1:
            self._on_change(f"{preparation.name}: prepared in {prepared.seconds:.0f} s")
        return prepared


class PreparationError(Exception):
    """It could not be made available; the text is the sentence that says why, and where more is."""

    @classmethod
    def of(cls, what: str, log: Path) -> PreparationError:
        """Return what the log says that the machine refused, else where the log is."""
        said = log.read_text(errors="replace") if log.exists() else ""
        explained = explain_output(said, of_download=True)
        return cls(explained or f"{what} could not be made: the end of {log} says why.")
