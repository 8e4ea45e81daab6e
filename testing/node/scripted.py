"""Steps of the scripts that users run, done against the test cluster."""

from __future__ import annotations

import asyncio
import os
import sys

from testing.node.node_cluster import NodeCluster
from testing.node.site import ROOT

INSTALL = "source scripts/lib-site.sh && install_site"
CALL = "source scripts/lib-site.sh && make_call"


async def by_script(cluster: NodeCluster, commands: str) -> str:
    """Do steps of a script that users run, against the test cluster; what it printed."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        commands,
        cwd=ROOT,
        env={
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": f"{cluster.binaries['kubectl'].parent}:{os.environ['PATH']}",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = ""
    async for line in process.stdout:
        sys.stdout.write(line.decode())
        said += line.decode()
    assert await process.wait() == 0, said
    return said
