"""Names of a bot's environment variables.

The sandbox, the controller and the operator set them; the settings of the runner and the bot read them.
"""

from collections.abc import Mapping
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
REFUSE_PRIVATE_CANDIDATES: Final = "PODLINE_REFUSE_PRIVATE_CANDIDATES"
CONTROLLER_URL: Final = "PODLINE_CONTROLLER_URL"
LAUNCH_ID: Final = "PODLINE_LAUNCH_ID"
LAUNCH_TOKEN: Final = "PODLINE_LAUNCH_TOKEN"  # noqa: S105 - likewise
CONTRACT: Final = "PODLINE_CONTRACT"
AGENT: Final = "PODLINE_AGENT"
BODY: Final = "PODLINE_BODY"
METADATA: Final = "PODLINE_METADATA"
BOT_FILE: Final = "PODLINE_BOT_FILE"
GOODBYE: Final = "PODLINE_GOODBYE"
DRY_START: Final = "PODLINE_DRY_START"
WARM: Final = "PODLINE_WARM"
PRELOAD: Final = "PODLINE_PRELOAD"
FORKS: Final = "PODLINE_FORKS"
PERSONA: Final = "PODLINE_PERSONA"
MAX_DURATION_SECONDS: Final = "PODLINE_MAX_DURATION_SECONDS"
GRACE_SECONDS: Final = "PODLINE_GRACE_SECONDS"
LAST_WORD: Final = "PODLINE_LAST_WORD"
STOP_SECS: Final = "PODLINE_STOP_SECS"
NO_CALLER_SECONDS: Final = "PODLINE_NO_CALLER_SECONDS"
RETURN_GRACE_SECONDS: Final = "PODLINE_RETURN_GRACE_SECONDS"
IDLE_SECONDS: Final = "PODLINE_IDLE_SECONDS"
MUTE_SECONDS: Final = "PODLINE_MUTE_SECONDS"
SHOW_ERRORS: Final = "PODLINE_SHOW_ERRORS"

# Read by Google's SDK and by OpenSSL, not by us: how a bot reaches a model other than Google's own.
GOOGLE_GEMINI_BASE_URL: Final = "GOOGLE_GEMINI_BASE_URL"
SSL_CERT_FILE: Final = "SSL_CERT_FILE"

# OpenTelemetry's names for the W3C trace context that a process continues:
# https://opentelemetry.io/docs/specs/otel/context/env-carriers/
TRACEPARENT: Final = "TRACEPARENT"
TRACESTATE: Final = "TRACESTATE"

# Read by OpenTelemetry's SDK, not by us, like all variables with these prefixes: where spans go, and how.
OTEL: Final = "OTEL_"
OTEL_OF_ONE_SERVICE: Final = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
_OTLP_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_OTLP_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP_SPOKEN: Final = "http/protobuf"

# Shared by every bot of an installation; the others belong to one session or one launch.
SHARED: Final = (
    GOOGLE_API_KEY,
    CONVEX_URL,
    CONVEX_TOKEN,
    STOP_SECS,
    NO_CALLER_SECONDS,
    RETURN_GRACE_SECONDS,
    IDLE_SECONDS,
    MUTE_SECONDS,
    SHOW_ERRORS,
    GOOGLE_GEMINI_BASE_URL,
    SSL_CERT_FILE,
)

_OF_A_CALL: Final = frozenset(
    {SESSION_ID, USER_ID, DAILY_ROOM_URL, DAILY_TOKEN, LIVEKIT_URL, LIVEKIT_TOKEN, TRACEPARENT, TRACESTATE}
)
_OURS: Final = "PODLINE_"

OF_A_START: Final = frozenset({WARM, PRELOAD, DRY_START, FORKS})
"""Variables that say how a process starts. A session's bot has none of them, and no assignment sets them."""

OF_A_PROCESS: Final = frozenset({BOT_FILE, LAST_WORD})
"""Variables that a process keeps from its start, whatever an assignment says."""

SECRETS: Final = (GOOGLE_API_KEY, CONVEX_TOKEN, DAILY_TOKEN, LIVEKIT_TOKEN, LAUNCH_TOKEN, ICE_CONFIG)
"""Variables whose values must never be shown."""


def is_reserved(name: str) -> bool:
    """Return whether a variable belongs to the runner and its call, so that no bot can change it."""
    return name.startswith(_OURS) or name in _OF_A_CALL


def waits(variables: Mapping[str, str]) -> bool:
    """Return whether a process waits for its session, instead of being started for one."""
    return variables.get(WARM, "").strip().lower() == "true"


def preloads(variables: Mapping[str, str]) -> bool:
    """Return whether a process that waits imports its bot before it has a session."""
    return variables.get(PRELOAD, "").strip().lower() != "false"


def traces_are_wanted(variables: Mapping[str, str]) -> bool:
    """Return whether a receiver for spans is set and they are not switched off."""
    is_off = (
        variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    )
    return not is_off and any(variables.get(name, "").strip() for name in _OTLP_ENDPOINTS)


def why_no_traces(variables: Mapping[str, str]) -> str | None:
    """Return why wanted spans can't be sent, as a sentence, or None if they can."""
    for name in _OTLP_PROTOCOLS:
        if protocol := variables.get(name, "").strip():
            if protocol == _OTLP_SPOKEN:
                return None
            return (
                f"{name}: traces are sent only as {_OTLP_SPOKEN}, which receivers accept at port 4318; "
                "set the endpoint to that and leave this variable out."
            )
    return None
