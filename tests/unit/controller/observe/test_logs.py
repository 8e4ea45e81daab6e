"""What an operator finds in the controller's log."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from controller.observe.logs import Formatter, about, configure_logging
from podline.logs import as_json
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site

LOG = logging.getLogger("podline.tests")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logging.captureWarnings(capture=False)
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def lines(root: logging.Logger) -> Iterator[io.StringIO]:
    """All that is logged while a test runs, as a file gets it."""
    stream = io.StringIO()
    configure_logging(stream, {})
    handler = root.handlers[0]
    yield stream
    root.removeHandler(handler)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_data_in_fields(lines: io.StringIO) -> None:
    LOG.warning("session ended", extra={"session_id": "s-1", "reason": "idle"})

    [line] = parsed(lines)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "podline.tests",
        "event": "session ended",
        "session_id": "s-1",
        "reason": "idle",
    }


def test_a_traceback_stays_in_its_events_line(lines: io.StringIO) -> None:
    LOG.error("it failed", exc_info=ValueError("broken\nin two lines"))

    [line] = parsed(lines)
    assert line["exception"] == "ValueError: broken\nin two lines"


def formatted(**record: object) -> dict[str, object]:
    record = {"name": "podline.tests", "levelname": "INFO", **record}
    line: dict[str, object] = json.loads(Formatter(as_json).format(logging.makeLogRecord(record)))
    return line


def test_what_a_library_says_is_text_of_an_event_that_is_always_the_same(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("an old way to do it", DeprecationWarning, stacklevel=1)

    started, warned = parsed(lines)
    assert started["event"] == warned["event"] == "library message"
    assert started["text"] == "Started server process [7]"
    assert "an old way to do it" in str(warned["text"])


def test_what_uvicorn_adds_for_terminals_is_no_field() -> None:
    assert "color_message" not in formatted(msg="Started", color_message="\x1b[1mStarted")


def test_a_line_about_a_session_names_it_though_nobody_foresaw_it() -> None:
    with about("s-1"):
        assert formatted(msg="odd")["session_id"] == "s-1"
    assert "session_id" not in formatted(msg="odd")


async def test_what_is_begun_for_a_session_goes_on_naming_it(lines: io.StringIO) -> None:
    async def work() -> None:
        LOG.info("work done")

    with about("s-1"):
        task = asyncio.create_task(work())
    await task

    assert parsed(lines)[0]["session_id"] == "s-1"


async def test_each_line_that_a_session_causes_names_it(lines: io.StringIO, site: Site) -> None:
    await site.start(session_id="mine")
    await site.client.delete("/v1/sessions/mine")
    site.runtime.refusal = TypeError("a bug")
    await site.client.post("/v1/sessions", json={"user_id": "bo", "session_id": "other"})

    events = {
        (line["event"], line.get("session_id")) for line in parsed(lines) if "podline" in line["logger"]
    }
    assert events == {
        ("agent deployed", None),
        ("session launched", "mine"),
        ("session ended", "mine"),
        ("launch failed unexpectedly", "other"),
        ("session ended", "other"),
    }


async def test_no_secret_of_a_session_is_in_any_line(lines: io.StringIO, site: Site) -> None:
    room = {"url": "https://rooms.example/own", "token": "the-bots-own-token"}
    session = await site.start(room=room)
    launch = site.runtime.launch_of(session["id"])
    await site.as_bot(session["id"], "POST", "reports", json={"seq": "nonsense"})
    await site.client.delete(f"/v1/sessions/{session['id']}")

    for secret in ("the-bots-own-token", *secrets_of(launch).values()):
        assert secret not in lines.getvalue()
