"""What a bot logs: our own lines, Pipecat's warnings, never a secret and never what was said."""

import sys
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

# Pipecat repeats what it could not read, a caller's message among it, in lines that begin so.
_QUOTES_THE_CALL: Final = ("Error parsing JSON message", "Failed to parse", "Invalid message")


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
        own = (record["name"] or "").startswith("bot")
        return record["level"].no >= logger.level("INFO" if own else "WARNING").no

    logger.remove()
    logger.add(sys.stderr, format=line, filter=wanted, backtrace=False, diagnose=False)
