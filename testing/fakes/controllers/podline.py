"""`podline serve` with the fake bot instead of the real one, as a separate process.

    python -m testing.fakes.controllers.podline DIRECTORY WORDS

Settings come from the environment. SIGUSR1 makes it print what can't be seen from outside, as a line of JSON:
what its asyncio tasks do, and the number of memory blocks that Python has given out.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path

from controller.settings import Settings
from testing.fakes.controllers.served import make_server


def main() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: print_inner_figures())
    logging.basicConfig(level=logging.WARNING)
    settings = Settings.read(os.environ)
    make_server(Path(sys.argv[1]), settings, sys.argv[2]).run()


def print_inner_figures() -> None:
    gc.collect()
    tasks = sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    figures = {"tasks": tasks, "blocks": sys.getallocatedblocks()}
    os.write(1, json.dumps(figures).encode() + b"\n")


if __name__ == "__main__":
    main()
