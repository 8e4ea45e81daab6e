"""The log of a bot's pod, read from the API server."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from controller.core.errors import RuntimeUnavailable
from controller.runtimes.empty_log import empty_log
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.runtimes.kubernetes")

_PAUSE_SECONDS: Final = 1.0


async def read_log(client: NamespaceClient, bot: Bot | None, *, follow: bool) -> AsyncIterator[bytes]:
    """Return the pieces of a bot's log; with `follow`, wait for its container to start.

    Raises:
        RuntimeUnavailable: the log can't be read right now.
    """
    while bot is not None:
        if bot.pod_name is not None and not bot.pod_is_gone:
            pieces = client.log(bot.pod_name, follow=follow)
            try:
                await anext(pieces)
            except ApiRefused as error:
                if error.status not in (400, 404):
                    raise RuntimeUnavailable(f"The log can't be read. {error}") from error
            except ApiError as error:
                raise RuntimeUnavailable(f"The log can't be read. {error}") from error
            else:
                return _until_broken(pieces)
        if not follow or bot.is_gone:
            break
        # Its container has not started. A change that was missed meanwhile is noticed after the pause.
        await bot.change(_PAUSE_SECONDS)
    return empty_log()


async def _until_broken(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yield a log to its end, or to where the connection broke: what was sent can't be taken back."""
    try:
        async for piece in pieces:
            yield piece
    except ApiError as error:
        log.warning("log broke off", extra={"error": str(error)})
