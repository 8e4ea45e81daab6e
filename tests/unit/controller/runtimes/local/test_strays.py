"""Processes that leave their bot's group are ended with their launch, and no others are."""

import subprocess
import sys

from controller.runtimes.local.strays import kill_strays
from podline.contract import environment

SECONDS = 10


def sleeper(launch_id: str) -> subprocess.Popen[bytes]:
    """Start a process of this launch in a session of its own, and wait until it runs."""
    process = subprocess.Popen(
        [sys.executable, "-Ic", "import time; print(flush=True); time.sleep(600)"],
        env={environment.LAUNCH_ID: launch_id},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_only_what_inherited_the_launch_is_killed() -> None:
    with sleeper("one") as stray, sleeper("one-more") as other:
        kill_strays("one")

        assert stray.wait(SECONDS) == -9
        assert other.poll() is None
        other.kill()
