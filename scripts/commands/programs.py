"""Programs that commands run: captured, explained in one sentence if they fail, ended with the command."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podline.machine_errors import explain_output
from podline_cli.errors import CommandError

ROOT: Final = Path(__file__).parents[2]
GRACE_SECONDS: Final = 10.0
"""What a program gets to end by itself before its process group is killed."""

LAST_LINES: Final = 20


@dataclass(frozen=True)
class Finished:
    """A program that ended: its exit code and what it said."""

    code: int
    output: str
    errors: str


def run_program(
    command: Sequence[str | Path],
    failure: str,
    *,
    directory: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    given: str | None = None,
    of_download: bool = False,
) -> str:
    """Run a program and return its standard output.

    Args:
        command: the program and its arguments.
        failure: the sentence to show if it fails, such as "kind could not create the cluster: is Docker up?".
        directory: where it runs.
        variables: environment variables beside ours.
        given: its standard input.
        of_download: whether it downloads, so that what it says of servers is about the network.

    Raises:
        CommandError: It failed; after the end of what it said comes `failure`, or what the machine refused.
    """
    finished = attempt_program(command, directory=directory, variables=variables, given=given)
    if finished.code != 0:
        raise failed(failure, finished.output + finished.errors, of_download=of_download)
    return finished.output


def failed(sentence: str, said: str, *, of_download: bool = False) -> CommandError:
    """Return the error of a program that failed: what the machine refused, if it said so, else `sentence`."""
    explained = explain_output(said, of_download=of_download)
    if explained is not None:
        return CommandError(explained)
    return CommandError(sentence, details="\n".join(said.splitlines()[-LAST_LINES:]))


def attempt_program(
    command: Sequence[str | Path],
    *,
    directory: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    given: str | None = None,
) -> Finished:
    """Run a program in a session of its own, which ends with this command."""
    try:
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=directory,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise CommandError(
            f"{command[0]} is not on the PATH: install it, then run this again.", code=127
        ) from None
    try:
        output, errors = process.communicate(given)
    except BaseException:
        end_group(process)
        raise
    return Finished(process.returncode, output, errors)


def end_group(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Ask a program's process group to end, and kill what has not ended in time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
