"""The matrix of endings: what each cause has to lead to, what was seen, and the run that plays them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from testing.processes import Program
from tests.local.conftest import ENDINGS, PROGRAMS
from tests.local.endings.causes import Cause
from tests.local.endings.scene import Scene
from tests.local.endings.site import Site, open_site

LEAVING_SECONDS = 10
"""From the end of a row's own bound until the session must be over, or the row has failed anyway."""


@dataclass(frozen=True)
class Ending:
    """A row: a cause, and how the session has to end.

    Attributes:
        id: Names row and user; the faults go by it.
        site: The name of the site it is played on.
        cause: Brings it about.
        reason: The session's reason.
        message: What the sentence a person reads has to contain.
        exit: The bot's exit code; None where it does not come to exit by itself, or need not.
        within: Seconds from the cause until the session is over, which only a hang would exceed.
    """

    id: str
    site: str
    cause: Cause
    reason: str
    message: str
    exit: int | None
    within: float


@dataclass(frozen=True)
class Seen:
    """What a row has come to."""

    phase: str
    reason: str
    message: str
    exit: int | None
    seconds: float
    is_gone: bool
    log: str = field(repr=False)


@dataclass
class Matrix:
    """Plays rows site by site, the sites side by side; `seen` is what has been seen so far."""

    directory: Path
    settings: Mapping[str, Mapping[str, str]]
    watch: Callable[[Program], None]
    seen: dict[str, Seen] = field(default_factory=dict)
    results: dict[str, asyncio.Future[Seen]] = field(default_factory=dict)

    async def play(self, rows: Iterable[Ending]) -> None:
        """Play these rows. Each one's result is awaited in `results`."""
        rows = list(rows)
        loop = asyncio.get_running_loop()
        self.results = {row.id: loop.create_future() for row in rows}
        async with asyncio.TaskGroup() as sites:
            for name in self.settings:
                of_site = [row for row in rows if row.site == name]
                if of_site:
                    sites.create_task(self._play_at(name, of_site))

    async def _play_at(self, name: str, rows: list[Ending]) -> None:
        directory = self.directory / name
        try:
            async with open_site(directory, self.settings[name], self.watch) as site:
                for row in rows:
                    await self._play_row(row, site)
        except BaseException as error:
            for row in rows:
                if not self.results[row.id].done():
                    self.results[row.id].set_exception(AssertionError(f"the site {name} broke: {error!r}"))
            raise

    async def _play_row(self, row: Ending, site: Site) -> None:
        result, scene = self.results[row.id], Scene(site, row.id)
        try:
            self.seen[row.id] = await _seen(row, scene)
            result.set_result(self.seen[row.id])
        except Exception as error:  # noqa: BLE001 - what goes wrong in a row is the row's own
            error.add_note(await scene.log())
            result.set_exception(error)
        finally:
            await site.behave()


def _row_of(item: pytest.Item) -> object:
    """What a test is given as its row, if it is given one."""
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("row")


@contextlib.asynccontextmanager
async def playing_chosen(
    request: pytest.FixtureRequest,
    directory: Path,
    rows: Sequence[Ending],
    settings: Mapping[str, Mapping[str, str]],
) -> AsyncIterator[Matrix]:
    """Play those of the rows whose tests of this module were chosen, and show the table at the end."""
    config = request.config
    chosen = {
        row.id
        for item in request.session.items
        if item.path == request.path and isinstance(row := _row_of(item), Ending)
    }
    rows = [row for row in rows if row.id in chosen]
    matrix = Matrix(directory, settings, config.stash[PROGRAMS].append)
    playing = asyncio.create_task(matrix.play(rows))
    await asyncio.sleep(0)
    try:
        yield matrix
        await playing
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        config.stash[ENDINGS].extend(table(rows, matrix.seen))


def check(row: Ending, seen: Seen) -> None:
    """Compare what was seen with what has to be."""
    print(seen.log)  # noqa: T201 - shown where the test fails
    assert seen.reason == row.reason, seen.message
    assert row.message in seen.message
    assert seen.message.endswith(".")
    if row.exit is not None:
        assert seen.exit == row.exit
    assert seen.is_gone
    assert seen.seconds < row.within


async def _seen(row: Ending, scene: Scene) -> Seen:
    async with asyncio.timeout(120):
        await row.cause(scene)
    session = await scene.ended(within=row.within + LEAVING_SECONDS)
    seconds = max(0.0, time.monotonic() - scene.began)
    exit_note, log = scene.site.exits / scene.session_id, await scene.log()
    is_gone = await scene.is_gone()
    return Seen(
        phase=session["phase"],
        reason=session["reason"],
        message=session["message"],
        exit=_exit_code(exit_note),
        seconds=seconds,
        log=log,
        is_gone=is_gone,
    )


def _exit_code(note: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return int(note.read_text())
    return None


def table(rows: Iterable[Ending], seen: Mapping[str, Seen]) -> list[str]:
    """The matrix as it was seen, a line for each row."""
    lines = [("cause", "phase", "reason", "exit", "took", "message")]
    for row in rows:
        if (found := seen.get(row.id)) is not None:
            code = "-" if found.exit is None else str(found.exit)
            took = f"{found.seconds:.1f} s"
            lines.append((row.id, found.phase, found.reason, code, took, found.message))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in lines
    ]
