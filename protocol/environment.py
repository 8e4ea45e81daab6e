"""Names of the environment variables a bot is given.

Sandbox, controller and operator write them, `bot/settings.py` reads them.
"""

from typing import Final

SESSION_ID: Final = "SESSION_ID"
USER_ID: Final = "USER_ID"
GOOGLE_API_KEY: Final = "GOOGLE_API_KEY"
CONVEX_URL: Final = "CONVEX_URL"
CONVEX_TOKEN: Final = "CONVEX_TOKEN"  # noqa: S105 - a name, not a secret

DAILY_ROOM_URL: Final = "DAILY_ROOM_URL"
DAILY_TOKEN: Final = "DAILY_TOKEN"  # noqa: S105 - likewise
LIVEKIT_URL: Final = "LIVEKIT_URL"
LIVEKIT_TOKEN: Final = "LIVEKIT_TOKEN"  # noqa: S105 - likewise

TRANSPORT: Final = "PODLINE_TRANSPORT"
ICE_CONFIG: Final = "PODLINE_ICE_CONFIG"
CONTROLLER_URL: Final = "PODLINE_CONTROLLER_URL"
LAUNCH_ID: Final = "PODLINE_LAUNCH_ID"
LAUNCH_TOKEN: Final = "PODLINE_LAUNCH_TOKEN"  # noqa: S105 - likewise
PERSONA: Final = "PODLINE_PERSONA"
MAX_DURATION_SECONDS: Final = "PODLINE_MAX_DURATION_SECONDS"
GRACE_SECONDS: Final = "PODLINE_GRACE_SECONDS"
LAST_WORD: Final = "PODLINE_LAST_WORD"
STOP_SECS: Final = "PODLINE_STOP_SECS"
NO_CALLER_SECONDS: Final = "PODLINE_NO_CALLER_SECONDS"
RETURN_GRACE_SECONDS: Final = "PODLINE_RETURN_GRACE_SECONDS"
IDLE_SECONDS: Final = "PODLINE_IDLE_SECONDS"

# Read by Google's SDK and by OpenSSL, not by us: how a bot meets a model that is not Google's own.
GOOGLE_GEMINI_BASE_URL: Final = "GOOGLE_GEMINI_BASE_URL"
SSL_CERT_FILE: Final = "SSL_CERT_FILE"

# What every bot of an installation shares; the rest belongs to one session or one launch.
SHARED: Final = (
    GOOGLE_API_KEY,
    CONVEX_URL,
    CONVEX_TOKEN,
    STOP_SECS,
    NO_CALLER_SECONDS,
    RETURN_GRACE_SECONDS,
    IDLE_SECONDS,
    GOOGLE_GEMINI_BASE_URL,
    SSL_CERT_FILE,
)
