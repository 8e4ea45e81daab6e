"""What an operator finds in the controller's log."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from controller.logs import JsonFormatter, ReadableFormatter, configure_logging, session_at_work
from tests.fakes.site import Site

LOG = logging.getLogger("podline.tests")


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


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
    configure_logging(stream)
    handler = root.handlers[0]
    yield stream
    root.removeHandler(handler)


def parsed(stream: io.StringIO) -> list[dict[str, object]]:
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


def test_at_a_terminal_a_person_reads_event_and_fields(root: logging.Logger) -> None:
    stream = Terminal()
    configure_logging(stream)
    LOG.info("session launched", extra={"session_id": "s-1", "note": "two words\nand a line"})
    root.removeHandler(root.handlers[0])

    assert stream.getvalue()[8:] == (
        ' INFO    session launched session_id=s-1 note="two words\\nand a line"\n'
    )


def test_at_a_terminal_a_traceback_follows_its_line() -> None:
    failure = (ValueError, ValueError("broken"), None)
    record = logging.makeLogRecord({"msg": "it failed", "levelname": "ERROR", "exc_info": failure})

    first, *rest = ReadableFormatter().format(record).splitlines()
    assert first.endswith("ERROR   it failed")
    assert rest[-1] == "ValueError: broken"


def test_what_uvicorn_adds_for_terminals_is_no_field() -> None:
    record = logging.makeLogRecord({"msg": "Started", "levelname": "INFO", "color_message": "\x1b[1mStarted"})
    assert "color_message" not in json.loads(JsonFormatter().format(record))


def test_a_line_about_a_session_names_it_though_nobody_foresaw_it() -> None:
    token = session_at_work.set("s-1")
    try:
        line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "odd", "levelname": "ERROR"})))
    finally:
        session_at_work.reset(token)

    assert line["session_id"] == "s-1"


async def test_each_line_that_a_session_causes_names_it(lines: io.StringIO, site: Site) -> None:
    await site.start(session_id="mine")
    await site.client.delete("/v1/sessions/mine")
    site.runtime.refusal = TypeError("a bug")
    await site.client.post("/v1/sessions", json={"user_id": "bo", "session_id": "other"})

    told = {(line["event"], line.get("session_id")) for line in parsed(lines) if "podline" in line["logger"]}
    assert told == {
        ("session launched", "mine"),
        ("session ended", "mine"),
        ("launch failed unforeseen", "other"),
        ("session ended", "other"),
    }


async def test_no_secret_of_a_session_is_in_any_line(lines: io.StringIO, site: Site) -> None:
    room = {"url": "https://rooms.example/own", "token": "the-bots-own-token"}
    session = await site.start(room=room)
    launch = site.runtime.launch_of(session["id"])
    await site.as_bot(session["id"], "POST", "reports", json={"seq": "nonsense"})
    await site.client.delete(f"/v1/sessions/{session['id']}")

    for secret in ("the-bots-own-token", *launch.secrets.values()):
        assert secret not in lines.getvalue()
