"""The copying of what a bot writes into its log."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from controller.runtimes.local.bounded_log import BoundedLog

log = logging.getLogger("podline.runtimes.local")

_READ_BYTES: Final = 64 * 1024


async def copy_output(output: int, log_: BoundedLog) -> None:
    """Copy a pipe to the log until its last writer has closed it."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    is_kept = True
    try:
        while text := await reader.read(_READ_BYTES):
            try:
                log_.write(text)
                is_kept = True
            except OSError as error:
                if is_kept:
                    log.warning("bot's output could not be kept", extra={"error": error.strerror})
                is_kept = False
    finally:
        transport.close()
