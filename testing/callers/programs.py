"""Programs that are run to their end, with what they print."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SECONDS: Final = 120
"""Only a hang takes this long."""


async def run_python(
    *arguments: str, directory: Path | None = None, variables: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run this Python without input. Return the exit code, the output and the errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=directory,
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_SECONDS):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()
