"""Lists and streams while sessions come and go."""

import asyncio
import json
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.composition import compose
from controller.core.admission import SessionAdmission, SessionLimits
from controller.core.session import Session, Timeline
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def session(number: int) -> Session:
    # Several in the same moment.
    return Session(
        id=f"s-{number}",
        user_id="ana",
        launch_id=f"launch-{number}",
        request_hash="",
        room_provider="daily",
        max_duration_seconds=60,
        timeline=Timeline(accepted=BEGIN + timedelta(seconds=number // 3)),
    )


@given(before=st.integers(0, 12), limit=st.integers(1, 5), meanwhile=st.lists(st.integers(0, 4), max_size=12))
def test_no_session_is_missed_or_told_twice_while_others_come(
    before: int, limit: int, meanwhile: list[int]
) -> None:
    registry = SessionRegistry(SessionAdmission(SessionLimits(capacity=1000, per_user=1000)))
    number = 0
    for number in range(before):
        registry.add(Record(session(number), 0.0), now=0.0)
    number, listed, cursor = before + 3, [], None
    coming = iter(meanwhile)
    while True:
        page, cursor = registry.page({}, limit, cursor)
        listed += [each.id for each in page]
        if cursor is None:
            break
        for _ in range(next(coming, 0)):
            registry.add(Record(session(number), 0.0), now=0.0)
            number += 1

    assert len(listed) == len(set(listed))
    assert {f"s-{each}" for each in range(before)} <= set(listed)


async def test_a_reader_that_does_not_read_is_owed_one_event_for_each_session() -> None:
    app = compose(settings_of(), fake_parts())
    async with app.router.lifespan_context(app):
        registry = app.state.services.supervisor.registry
        record = Record(session(1), 0.0)
        record.settled()
        registry.add(record, now=0.0)
        reads, events, received = asyncio.Event(), [], asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            if body := message.get("body"):
                events.append(json.loads(body.decode().partition("data: ")[2].partition("\n")[0]))
                received.set()
                await reads.wait()

        async def receive() -> dict[str, Any]:
            if not asked:
                asked.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.Event().wait()
            raise AssertionError

        asked: list[bool] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": "/v1/events",
            "raw_path": b"/v1/events",
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "server": ("127.0.0.1", 7860),
            "client": ("127.0.0.1", 1),
        }
        serving = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait_for(received.wait(), 5)
        for turn in range(5000):
            usage = record.session.usage
            record.reported({}, type(usage)(turns=turn))
            if turn % 100 == 0:
                await asyncio.sleep(0)
        reads.set()
        registry.close()
        await asyncio.wait_for(serving, 5)

    # What was on its way already, then the latest.
    assert len(events) < 10
    assert events[-1]["usage"]["turns"] == 4999
