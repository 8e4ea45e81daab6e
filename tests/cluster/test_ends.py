"""Nothing is left of a control plane, however it ends."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from podline_cli.local.descendants import has_ended
from testing.builds.binaries import ensure_binaries
from testing.cluster.control_plane import ControlPlane
from testing.cluster.processes import ClusterProcessFailedError

ROOT = Path(__file__).parents[2]
START_AND_SAY_SO = """
import asyncio
from testing.builds.binaries import ensure_binaries
from testing.cluster.control_plane import ControlPlane

async def main():
    plane = await ControlPlane(ensure_binaries(), fake_nodes=1).__aenter__()
    print(plane.directory, *(part.pid for part in plane.parts.values()), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_control_plane_that_is_left_leaves_nothing() -> None:
    async with ControlPlane(ensure_binaries(), fake_nodes=1) as plane:
        pids = [part.pid for part in plane.parts.values()]

    assert len(pids) == 5
    assert [pid for pid in pids if pid is None or not has_ended(pid)] == []
    assert not plane.directory.exists()


async def test_a_control_plane_whose_python_is_killed_leaves_nothing() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START_AND_SAY_SO, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    directory, *pids = (await process.stdout.readline()).decode().split()

    process.send_signal(signal.SIGKILL)
    await process.wait()

    async with asyncio.timeout(10):
        # The guardian removes the directory last.
        while Path(directory).exists():  # noqa: ASYNC110, ASYNC240 - seen from outside only
            await asyncio.sleep(0.05)
        while not all(has_ended(int(pid)) for pid in pids):  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.05)


async def test_a_part_that_does_not_come_up_shows_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho no disk left\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(ClusterProcessFailedError, match="no disk left"):
        async with ControlPlane({**ensure_binaries(), "etcd": broken}):
            pass
