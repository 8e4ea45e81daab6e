"""A wall clock that can be set while a bot runs, for the bot alone.

Python imports this at its start where PYTHONPATH names the folder. The file named by PYTHON_CLOCK holds how
many seconds the clock is off.
"""

import mmap
import os
import struct
import time
from pathlib import Path

WRONG_BY = "PYTHON_CLOCK"
"""Named so that the controller hands it to bots as it does PYTHONPATH."""

if "SESSION_ID" in os.environ and WRONG_BY in os.environ:
    with Path(os.environ[WRONG_BY]).open("rb") as file:
        wrong_by = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    right = time.time

    def wrong() -> float:
        [seconds] = struct.unpack_from("d", wrong_by)
        return right() + float(seconds)

    time.time = wrong
