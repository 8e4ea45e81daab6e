"""What a bot logs: our own lines, libraries' warnings, never a secret and never what was said."""

import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

# Behind these words libraries repeat what they could not handle, a caller's or the model's message among it.
_QUOTES_THE_CALL: Final = (
    "Error parsing JSON message",
    "Failed to parse",
    "Invalid message",
    "Error processing frame",
    "Uncaught exception",
    "Error executing function call",
    "Send error",
    "exception was never retrieved",
)

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
    is DEBUG: so this runs before Pipecat is imported. The standard library's logging ends here as well.
    """
    masked = [secret for secret in secrets if secret]

    def line(record: "Record") -> str:
        text = without_quotes(record["message"])
        text += "".join(f" {key}={value}" for key, value in record["extra"].items())
        if record["exception"] and record["exception"].value:
            text += told(record["exception"].value)
        for secret in masked:
            text = text.replace(secret, "***")
        record["extra"]["line"] = text.replace("\n", " ")
        return "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level} {name} {extra[line]}\n"

    def wanted(record: "Record") -> bool:
        if (record["name"] or "").startswith("bot"):
            return record["level"].no >= logger.level("INFO").no
        is_meant_so = any(phrase in record["message"] for phrase in _MEANT_SO)
        return record["level"].no >= logger.level("WARNING").no and not is_meant_so

    logger.remove()
    logger.add(sys.stderr, format=line, filter=wanted, backtrace=False, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


def without_quotes(message: str) -> str:
    """The message up to where it begins to repeat what somebody sent."""
    ends = [message.index(phrase) + len(phrase) for phrase in _QUOTES_THE_CALL if phrase in message]
    return message[: min(ends)] if ends else message


def told(error: BaseException) -> str:
    """An error's type and the places it came through; its own text may hold anything."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places = reversed(traceback.extract_tb(error.__traceback__))
    way = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in places)
    return f" error={type(error).__name__} at={way}"


class _ToLoguru(logging.Handler):
    """Hands the standard library's records on, under their own names."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None

        def rename(line: "Record") -> None:
            line["name"] = record.name

        named = logger.patch(rename).opt(exception=error)
        named.log(record.levelname, "{}", record.getMessage())
