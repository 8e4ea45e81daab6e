"""Inputs that come without HTTP: final reports, which the controller reads, and a page's messages to its bot.

`python -m scripts.benchmarks.fuzz.inside KIND SEED COUNT` prints in JSON how many got past parsing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from random import Random
from typing import Final

from controller.runtimes.final_report import decode_final_report
from podline.runner.room.client_messages import Refused, read_message
from scripts.benchmarks.calls.programs import resident_megabytes
from scripts.benchmarks.fuzz import inputs

_WARM_UP: Final = 0.1
"""Of all inputs, before memory is measured first: what is made once is no growth."""


def read_final_report(text: bytes) -> bool:
    return decode_final_report(text) is not None


def read_client_message(text: bytes) -> bool:
    """Whether it was read far enough to be refused for its type, if it was."""
    try:
        read_message(text.decode())
    except UnicodeDecodeError:
        return False
    except Refused as refused:
        return refused.cause != "malformed"
    return True


def run(kind: str, seed: int, count: int) -> dict[str, float]:
    """Feed so many inputs of a kind to its reader; anything it raises ends the run."""
    read, make = KINDS[kind]
    rng, passed, before = Random(seed), 0, 0.0  # noqa: S311 - to be repeated, not to be secret
    for number in range(count):
        if number == int(count * _WARM_UP):
            before = resident_megabytes(os.getpid())
        passed += read(make(rng))
    return {"passed": passed, "before": before, "after": resident_megabytes(os.getpid())}


KINDS: Final[dict[str, tuple[Callable[[bytes], bool], Callable[[Random], bytes]]]] = {
    "data-channel messages": (read_client_message, lambda rng: inputs.message(rng, inputs.page_message)),
    "final reports": (read_final_report, lambda rng: inputs.message(rng, inputs.final_report)),
}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
