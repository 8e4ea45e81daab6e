"""Nonsense and malice on the older contract: nothing fails, and nothing starts by a refused request."""

import asyncio
import json
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from testing.fakes.controllers.clockwork import Clockwork
from testing.fakes.controllers.site import serve_site
from tests.contract.channel.test_fuzz_channel import JSON

VALID = {"room_url": "https://rooms.example/own", "token": "t", "user_id": "ana", "session_id": "mine"}
MARKUP = st.sampled_from(
    ["<script>alert(1)</script>", "a\x00b", "a\r\nX: y", "\u202e", "x" * 5000, "../..", "%2e"]
)
BODIES = (
    st.fixed_dictionaries(
        {},
        optional={name: st.just(value) | MARKUP | JSON for name, value in VALID.items()} | {"colour": JSON},
    )
    | JSON
)
IDS = st.text(min_size=1, max_size=200) | MARKUP
HEADERS = st.sampled_from(["application/json", "text/plain", "application/json; charset=latin-1", ""])


@settings(max_examples=120)
@given(body=BODIES, kind=HEADERS)
def test_a_refused_start_starts_nothing_and_is_a_problem(body: object, kind: str) -> None:
    async def run() -> None:
        async with serve_site() as site:
            headers = {"content-type": kind} if kind else {}
            answer = await site.client.post("/start-agent", content=json.dumps(body), headers=headers)

            health = (await site.client.get("/health")).json()
            if answer.status_code == 200:
                assert isinstance(body, dict)
                assert answer.json() == {"status": "started", "session_id": body["session_id"]}
                assert health == {"status": "healthy", "active_agents": 1}
            else:
                assert answer.status_code in (415, 422)
                assert answer.headers["content-type"] == "application/problem+json"
                assert health == {"status": "healthy", "active_agents": 0}
                assert site.runtime.launches == []

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


@settings(max_examples=80)
@given(session_id=IDS)
def test_a_stop_of_whatever_is_not_there_stops_nobody(session_id: str) -> None:
    async def run() -> None:
        async with serve_site() as site:
            await site.client.post("/start-agent", json=VALID)
            path = f"/stop-agent/{quote(session_id, safe='')}"
            answer = await site.client.post(path, json={})

            assert answer.status_code in (200, 404, 405)
            if answer.status_code == 200 and session_id != "mine":
                assert answer.json() == {"status": "not_found"}
            agents = (await site.client.get("/agents")).json()["agents"]
            assert len(agents) == (session_id != "mine")

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())
