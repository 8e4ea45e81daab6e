"""A reader who follows a page: saves its files, types its commands, compares what comes out."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from testing.documents.content import read_json
from testing.documents.markdown import ROOT, Document

READY: Final[MappingProxyType[str, str]] = MappingProxyType({"scripts/demo": "is ready:"})
"""Programs that run until Ctrl-C, and what they print when the reader may go on."""

_PORT: Final = "7860"
"""The port in the pages; a test takes a free one."""

_SECONDS: Final = 120
"""What a command or a start may take before the reader gives up."""

_LEFT_OUT: Final = frozenset({"node_modules", ".git", ".venv", ".tools", ".env", ".podline", "__pycache__"})
_DIFFERENT_EACH_TIME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]*\d[0-9a-f…]*")
_BASH: Final = "/bin/bash"


class ReaderStuckError(Exception):
    """A page can't be followed; the sentence says where and why."""


def copy_checkout(directory: Path) -> Path:
    """Copy what a fresh clone has, with this checkout's environment; return the copy."""
    copy = directory / "podline"

    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name in _LEFT_OUT or name.endswith("_cache")}

    shutil.copytree(ROOT, copy, ignore=left_out, symlinks=True)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@dataclass
class Reader:
    """Somebody with a checkout and two terminals: one for the program that runs, one for everything else."""

    checkout: Path
    port: int
    _running: subprocess.Popen[bytes] | None = None
    _command: str = ""

    def follow(self, page: Document) -> None:
        """Do what the page says.

        Raises:
            ReaderStuckError: A command failed, or printed something else than the page shows.
        """
        printed = ""
        for block in page.blocks:
            place = f"{page.path.name}:{block.line}"
            if block.saved_as is not None:
                path = self.checkout / block.saved_as
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.language == "sh":
                printed = "" if block.reason else self._type(self._with_port(block.text), place)
            elif block.answers and printed:
                check_answer(self._with_port(block.text), block.language, printed, place)

    def close(self) -> None:
        """Press Ctrl-C, if a program runs."""
        if self._running is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGINT)
        try:
            self._running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self._running = None

    def _with_port(self, text: str) -> str:
        return re.sub(rf"(?<=[:-]){_PORT}\b", str(self.port), text)

    def _type(self, text: str, place: str) -> str:
        for program, ready in READY.items():
            if re.match(rf"(\w+=\S* )*{program}\b", text):
                self._start(text, ready, place)
                return ""
        if unsafe := re.search(r"^(?:\w+=\S* )*(scripts/[\w-]+)", text, re.MULTILINE):
            # Its environment would be this checkout's: it is shared.
            raise ReaderStuckError(
                f"{place}: say in a comment why {unsafe[1]} isn't run: <!-- not run: ... -->"
            )
        done = subprocess.run(  # noqa: S603 - a page's own commands
            [_BASH, "-euo", "pipefail", "-c", text],
            cwd=self.checkout,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise ReaderStuckError(
                f"{place} failed with status {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _start(self, text: str, ready: str, place: str) -> None:
        """Start a program, unless it runs already; end the one that ran until now."""
        command = re.sub(r"\s+#.*", "", text).strip()
        if self._running is not None and self._running.poll() is None and command == self._command:
            return
        self.close()
        output = self.checkout / ".output"
        with output.open("wb") as file:
            self._running = subprocess.Popen(  # noqa: S603 - a page's own commands
                [_BASH, "-c", f"exec env {command}"],
                cwd=self.checkout,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._command = command
        gives_up_at = time.monotonic() + _SECONDS
        while ready not in (said := output.read_text(errors="replace")):
            if self._running.poll() is not None or time.monotonic() > gives_up_at:
                raise ReaderStuckError(f"{place} never was ready:\n{said}")
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PODLINE_")}
        return {**kept, "PODLINE_PORT": str(self.port)}


@contextmanager
def reading(directory: Path, port: int) -> Iterator[Reader]:
    """Have a reader with a copy of the checkout, who ends what runs when the block ends."""
    # The copy shares this checkout's environment, which is brought up to date here, where it belongs.
    subprocess.run([ROOT / "scripts" / "demo", "--help"], stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    reader = Reader(copy_checkout(directory), port)
    try:
        yield reader
    finally:
        reader.close()


def check_answer(shown: str, language: str, printed: str, place: str) -> None:
    """Compare what a page shows with what was printed.

    Raises:
        ReaderStuckError: They differ in more than digits, ids and what `…` leaves out.
    """
    if language == "json":
        try:
            different = list(_differences(read_json(shown), json.loads(printed), "it"))
        except ValueError:
            different = ["it isn't JSON"]
    else:
        lines = {_pattern(line) for line in printed.splitlines()}
        wanted = [line for line in shown.splitlines() if line.strip() not in {"", "…"}]
        different = [f"{line!r} isn't printed" for line in wanted if _pattern(line) not in lines]
    if different:
        raise ReaderStuckError(f"{place}: {'; '.join(different)}. Printed was:\n{printed}")


def _differences(shown: Any, printed: Any, where: str) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(printed, dict):
        for name, value in shown.items():
            if name in printed:
                yield from _differences(value, printed[name], f"{where}.{name}")
            else:
                yield f"{where} has no {name}"
    elif isinstance(shown, list) and isinstance(printed, list):
        for value in shown:
            found = [list(_differences(value, other, f"{where}[]")) for other in printed]
            yield from min(found, key=len, default=[f"{where} is empty"])
    elif _pattern(str(shown)) != _pattern(str(printed)):
        yield f"{where} is {printed!r}, not {shown!r}"


def _pattern(text: str) -> str:
    """Return the text without what differs from run to run: numbers, ids and hashes."""
    return _DIFFERENT_EACH_TIME.sub("0", " ".join(text.split()))
