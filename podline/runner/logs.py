"""What a bot logs: our own lines, libraries' warnings, never a secret and never what was said."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

from podline.logs import BY_A_LIBRARY, Line, form_for

if TYPE_CHECKING:
    from loguru import Message, Record

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


def configure_logging(session_id: str, secrets: Iterable[str]) -> None:
    """Log to standard error, one line an event, with each of `secrets` masked.

    Pipecat logs conversation at DEBUG (services/google/gemini_live/llm.py), and loguru's default level
    is DEBUG: so this runs before Pipecat is imported. The standard library's logging and warnings end here
    as well.
    """
    stream = sys.stderr
    form = form_for(stream, os.environ)
    masked = [secret for secret in secrets if secret]

    def write(message: "Message") -> None:
        line = line_of(message.record, session_id)
        clean = {name: without(masked, value) for name, value in line.fields.items()}
        stream.write(form(replace(line, fields=clean)) + "\n")

    def wanted(record: "Record") -> bool:
        if _is_ours(record):
            return record["level"].no >= logger.level("INFO").no
        is_meant_so = any(phrase in record["message"] for phrase in _MEANT_SO)
        return record["level"].no >= logger.level("WARNING").no and not is_meant_so

    logger.remove()
    logger.add(write, format="", filter=wanted, backtrace=False, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    threading.excepthook = _tell_of_thread
    sys.unraisablehook = _tell_of_unraisable


def line_of(record: "Record", session_id: str) -> Line:
    """A record in the form that all our lines have, without what an exception or a library quotes."""
    fields = {"session_id": session_id}
    if not _is_ours(record):
        fields["text"] = without_quotes(record["message"]).strip()
    fields |= record["extra"]
    if record["exception"] and record["exception"].value:
        fields |= told(record["exception"].value)
    return Line(
        at=record["time"],
        level=record["level"].name.lower(),
        logger="bot" if record["name"] == "__main__" else record["name"] or "",
        event=record["message"] if _is_ours(record) else BY_A_LIBRARY,
        fields=fields,
    )


def _is_ours(record: "Record") -> bool:
    return (record["name"] or "").partition(".")[0] in ("bot", "podline", "__main__")


def without(secrets: Iterable[str], value: object) -> object:
    """A field's value with each of these masked; numbers and truth values hold none."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def without_quotes(message: str) -> str:
    """The message up to where it begins to repeat what somebody sent."""
    ends = [message.index(phrase) + len(phrase) for phrase in _QUOTES_THE_CALL if phrase in message]
    return message[: min(ends)] if ends else message


def told(error: BaseException) -> dict[str, str]:
    """An error's type and the places it came through; its own text may hold anything."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places = reversed(traceback.extract_tb(error.__traceback__))
    way = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in places)
    return {"error": type(error).__name__, "through": way}


def _tell_of_thread(failure: threading.ExceptHookArgs) -> None:
    logger.opt(exception=failure.exc_value).error("thread crashed")


def _tell_of_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    logger.opt(exception=failure.exc_value).error("error that nobody could catch")


class _ToLoguru(logging.Handler):
    """Hands the standard library's records on, under their own names."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None

        def rename(line: "Record") -> None:
            line["name"] = record.name

        named = logger.patch(rename).opt(exception=error)
        named.log(record.levelname, "{}", record.getMessage())
