"""A bot's logs: our own lines and libraries' warnings, without secrets and without speech."""

import contextlib
import logging
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

from podline.contract import environment as env
from podline.errors import first_cause
from podline.logs import BY_A_LIBRARY, Line, form_for
from podline.runner.masking import Secrets

if TYPE_CHECKING:
    from loguru import Message, Record

# After these words libraries quote what they could not handle, perhaps a message from caller or model.
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

# Pipecat's warnings about what is intended in every call: turns come from our own voice activity detection,
# no video is wanted, and the caller's track ends when they leave.
_INTENDED: Final = (
    "is not emitting turn frames",
    "ideo transceiver is available",
    "differs from the recommended default",
    "Media stream error while reading the audio",
)


_LIBRARIES: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


@dataclass
class LoggedCall:
    """The call that log lines are about. A bot that waits for its call learns of it later.

    Attributes:
        session_id: Its session; empty while there is none.
        shows_errors: True if errors are shown in full, for where bots are developed.
    """

    session_id: str
    shows_errors: bool = False

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "LoggedCall":
        """Return the call that these variables describe."""
        call = cls("")
        call.read(variables)
        return call

    def read(self, variables: Mapping[str, str]) -> None:
        """Take the call that these variables describe."""
        self.session_id = variables.get(env.SESSION_ID, "")
        self.shows_errors = variables.get(env.SHOW_ERRORS, "").strip().lower() == "true"


def configure_logging(call: LoggedCall, secrets: Secrets) -> Callable[[], None]:
    """Log to standard error, one line per event, with the `secrets` masked.

    Pipecat logs the conversation at DEBUG (services/google/gemini_live/llm.py), which is loguru's default
    level, so call this before Pipecat is imported. The standard library's logging and warnings are included.

    If the call shows errors, an error's line has its traceback, which may contain anything.

    Return a function to call once the bot is imported. A bot that has configured loguru itself, as Pipecat's
    examples do, keeps what it chose; the runner's own lines are added to that.
    """
    stream = sys.stderr
    form = form_for(stream, os.environ)

    def write(message: "Message") -> None:
        line = line_of(message.record, call.session_id, shows_errors=call.shows_errors)
        clean = {name: _masked(secrets, value) for name, value in line.fields.items()}
        exception = None if line.exception is None else secrets.without(line.exception)
        stream.write(form(replace(line, fields=clean, exception=exception)) + "\n")

    def wanted(record: "Record") -> bool:
        if _is_ours(record):
            return record["level"].no >= logger.level("INFO").no
        is_intended = any(phrase in record["message"] for phrase in _INTENDED)
        return record["level"].no >= logger.level("WARNING").no and not is_intended

    def keep_logging() -> None:
        # A `.env` file may have changed the values of variables.
        secrets.learn()
        with contextlib.suppress(ValueError):
            logger.remove(sink)
            logger.add(write, format="", filter=wanted, backtrace=False, diagnose=False)
            return
        logger.add(write, format="", filter=_is_the_runners, backtrace=False, diagnose=False)

    logger.remove()
    # Many bots remove loguru's own sink by its number, `logger.remove(0)`. This one takes its place.
    core = logger._core  # type: ignore[attr-defined]  # noqa: SLF001 - loguru has no other way
    core.handlers_count = type(core.handlers_count)()
    sink = logger.add(write, format="", filter=wanted, backtrace=False, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_thread_failure
    sys.unraisablehook = _log_unraisable
    return keep_logging


def line_of(record: "Record", session_id: str, *, shows_errors: bool = False) -> Line:
    """Return a record as one of our lines, without text that an exception or a library quotes.

    With `shows_errors`, it has the exception's traceback.
    """
    fields = {"session_id": session_id}
    if not _is_ours(record):
        fields["text"] = without_quotes(record["message"]).strip()
    fields |= record["extra"]
    if record["exception"] and record["exception"].value:
        fields |= describe(record["exception"].value)
    return Line(
        at=record["time"],
        level=record["level"].name.lower(),
        logger="bot" if record["name"] == "__main__" else record["name"] or "",
        event=record["message"] if _is_ours(record) else BY_A_LIBRARY,
        fields=fields,
        exception=_traceback(record) if shows_errors else None,
    )


def _traceback(record: "Record") -> str | None:
    if record["exception"] is None or record["exception"].value is None:
        return None
    return "".join(traceback.format_exception(record["exception"].value))


def _is_ours(record: "Record") -> bool:
    """Return whether the line is the runner's, or of the bot's own code."""
    if _is_the_runners(record):
        return True
    file = getattr(sys.modules.get(record["name"] or ""), "__file__", None)
    return file is not None and not file.startswith(_LIBRARIES)


def _is_the_runners(record: "Record") -> bool:
    return (record["name"] or "").partition(".")[0] in ("podline", "__main__")


def _masked(secrets: Secrets, value: object) -> object:
    """Return a field's value with the secrets masked; numbers and booleans contain none."""
    return value if value is None or isinstance(value, int | float) else secrets.without(str(value))


def without_quotes(message: str) -> str:
    """Return the message up to where it begins to quote what somebody sent."""
    ends = [message.index(phrase) + len(phrase) for phrase in _QUOTES_THE_CALL if phrase in message]
    return message[: min(ends)] if ends else message


def describe(error: BaseException) -> dict[str, str]:
    """Return an error's type and the lines it passed through; its own text may contain anything."""
    error = first_cause(error)
    frames = reversed(traceback.extract_tb(error.__traceback__))
    lines = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return {"error": type(error).__name__, "through": lines}


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    logger.opt(exception=failure.exc_value).error("thread crashed")


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    logger.opt(exception=failure.exc_value).error("error that nobody could catch")


class _ToLoguru(logging.Handler):
    """Passes the standard library's records to loguru, under their own names.

    No record may raise in the code that logs it, as none does with the standard library's own handlers.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments may raise anything when they are formatted
            message = "a message whose arguments don't fit"

        def rename(line: "Record") -> None:
            line["name"] = record.name

        named = logger.patch(rename).opt(exception=error)
        named.log(_level_of(record), "{}", message)


def _level_of(record: logging.LogRecord) -> str | int:
    """Return the record's level as loguru knows it: the name only if it has a level of that name."""
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return max(0, record.levelno)
