"""What a bot logs: our own lines, Pipecat's warnings, never a secret and never what was said."""

import sys
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

# Pipecat repeats what it could not read, a caller's message among it, in lines that begin so.
_QUOTES_THE_CALL: Final = ("Error parsing JSON message", "Failed to parse", "Invalid message")

# What Pipecat warns of in every call although it is meant so: turns come from our own voice activity
# detection, no video is wanted, and the caller's track ends when they leave.
_MEANT_SO: Final = (
    "is not emitting turn frames",
    "ideo transceiver is available",
    "differs from the recommended default",
    "Media stream error while reading the audio",
)


def configure_logging(secrets: list[str]) -> None:
    """Log to standard error, one line an event, with each of `secrets` masked.

    Pipecat logs conversation at DEBUG (services/google/gemini_live/llm.py), and loguru's default level
    is DEBUG: so this runs before anything else is imported.
    """
    masked = [secret for secret in secrets if secret]

    def line(record: "Record") -> str:
        message = record["message"]
        if message.startswith(_QUOTES_THE_CALL):
            message = message.split(":", maxsplit=1)[0].split("{", maxsplit=1)[0]
        fields = "".join(f" {key}={value}" for key, value in record["extra"].items())
        for secret in masked:
            message, fields = message.replace(secret, "***"), fields.replace(secret, "***")
        record["extra"]["line"] = f"{message}{fields}".replace("\n", " ")
        return "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level} {name} {extra[line]}\n"

    def wanted(record: "Record") -> bool:
        if (record["name"] or "").startswith("bot"):
            return record["level"].no >= logger.level("INFO").no
        is_meant_so = any(phrase in record["message"] for phrase in _MEANT_SO)
        return record["level"].no >= logger.level("WARNING").no and not is_meant_so

    logger.remove()
    logger.add(sys.stderr, format=line, filter=wanted, backtrace=False, diagnose=False)
