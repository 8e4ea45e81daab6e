"""How a connection to Gemini Live is made: API version, sizes, keepalive and timeouts, each for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podline.extras import optional

if TYPE_CHECKING:
    from google.genai import types as genai_types
else:
    genai_types = optional("google", "google.genai.types")

SETUP_SECONDS: Final = 6.0
"""How long a session may take to set up: less than a caller waits for the greeting. It takes 0.3 s."""
CLOSE_SECONDS: Final = 0.5
"""How long to wait for the other side's close frame: the default of 10 s would delay each reconnection."""
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Four minutes of 24 kHz audio as base64. The default of 1 MiB is 16 s, which one message may exceed."""
PING_SECONDS: Final = 20.0
"""Keeps NATs and proxies from dropping the connection as idle, after a minute or more."""

_EPHEMERAL_PREFIX: Final = "auth_tokens/"
"""ai.google.dev/gemini-api/docs/ephemeral-tokens."""


def http_options(
    api_key: str, given: genai_types.HttpOptions | dict[str, Any] | None = None
) -> genai_types.HttpOptions:
    """Return the options of the SDK's client. It passes on what websockets' `connect()` has a parameter for.

    A missing pong doesn't close the connection: while audio flows, pongs queue behind it, and the missing
    answer reveals a dead connection (https://websockets.readthedocs.io/en/stable/topics/keepalive.html).
    Audio does not compress, so `permessage-deflate` would only cost time.

    Args:
        api_key: A key, or a token for one call.
        given: A bot's own options. They take precedence.
    """
    options = genai_types.HttpOptions.model_validate(given or {})
    ours: dict[str, Any] = {
        "max_size": MAX_MESSAGE_BYTES,
        "ping_interval": PING_SECONDS,
        "ping_timeout": None,
        "open_timeout": SETUP_SECONDS,
        "close_timeout": CLOSE_SECONDS,
        "compression": None,
    }
    # Tokens for one call exist in v1alpha only.
    version = "v1alpha" if (api_key or "").startswith(_EPHEMERAL_PREFIX) else None
    return options.model_copy(
        update={
            "api_version": options.api_version or version,
            "async_client_args": ours | (options.async_client_args or {}),
        }
    )
