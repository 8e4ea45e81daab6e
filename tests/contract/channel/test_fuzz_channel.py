"""Nonsense and malice on the bots' channel: each is refused with a problem, and changes no record."""

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from podline.contract.reading import read_report
from testing.fakes.controllers.clockwork import Clockwork
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.site import Site, serve_site

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
VALID = {"seq": 1, "acked": 0, "events": [], "totals": {}, "timeline": {"now": 1.0}}
REPORTS = st.fixed_dictionaries(
    {},
    optional={name: JSON | st.just(value) for name, value in VALID.items()} | {"colour": JSON},
)
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | REPORTS.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [
            b"[" * 60_000,
            b'{"body":' * 8_000,
            b" " * 70_000,
            b'{"seq": NaN}',
            b'"\\ud800"',
            b"\xff",
            b'{"refusal": "\xff"}',
        ]
    )
)
PATHS = st.sampled_from(["reports", "inbox/x", "inbox/%00", "inbox/" + "9" * 200])
TOKENS = st.sampled_from(["own", "foreign", "of a caller", "none"]) | st.text(
    st.characters(min_codepoint=33, max_codepoint=255), max_size=80
)


def bearer(kind: str, own: str, foreign: str) -> dict[bytes, bytes]:
    known = {
        "own": SIGNER.launch_token(own),
        "foreign": SIGNER.launch_token(foreign),
        "of a caller": SIGNER.session_token("mine", own),
    }
    return {} if kind == "none" else {b"Authorization": f"Bearer {known.get(kind, kind)}".encode("latin-1")}


async def record(site: Site) -> dict[str, Any]:
    return await site.read("mine")


@settings(max_examples=120)
@given(path=PATHS, body=BODIES, token=TOKENS)
def test_what_is_refused_is_a_problem_and_changes_nothing(path: str, body: bytes, token: str) -> None:
    async def run() -> None:
        async with serve_site() as site:
            await site.start(session_id="mine")
            await site.start("bo", session_id="other")
            own, foreign = (site.runtime.launch_of(each).session.launch_id for each in ("mine", "other"))
            before = await record(site)
            answer = await site.client.post(
                f"/internal/launches/{own}/{path}", content=body, headers=bearer(token, own, foreign)
            )

            assert answer.status_code in (200, 204, 401, 413, 422)
            if token != "own":
                assert answer.status_code in (401, 413)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert await record(site) == before
            assert (await site.read("other"))["usage"] == before["usage"]

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


@settings(max_examples=80)
@given(
    offer=st.fixed_dictionaries(
        {"sdp": st.text(max_size=20), "type": st.text(max_size=5)}, optional={"more": JSON}
    )
)
def test_whatever_offer_is_taken_can_be_fetched_by_the_bot(offer: dict[str, Any]) -> None:
    async def run() -> None:
        async with serve_site(start_timeout_seconds=5) as site:
            await site.start(session_id="mine")
            headers = {"content-type": "application/json"}
            body = json.dumps(offer)
            offering = asyncio.create_task(
                site.client.post(site.offers_of("mine"), content=body, headers=headers)
            )
            await asyncio.sleep(0.001)
            if offering.done():
                assert offering.result().json()["code"] == "invalid_request"
                return
            inbox = await site.as_bot("mine", "GET", "inbox")
            [message] = msgspec.json.decode(inbox.content)["messages"]
            assert message["offer"]["sdp"] == offer["sdp"]
            await site.as_bot("mine", "POST", f"inbox/{message['id']}", json={"body": {"ok": True}})
            assert (await offering).json() == {"ok": True}

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 50)), max_size=12))
def test_batches_repeated_late_or_out_of_order_never_take_a_record_back(
    batches: list[tuple[int, int]],
) -> None:
    async def run() -> None:
        async with serve_site() as site:
            await site.start(session_id="mine")
            highest = turns = 0
            for seq, claimed in batches:
                report = {**VALID, "seq": seq, "acked": seq - 1, "totals": {"turns": claimed}}
                answer = await site.as_bot("mine", "POST", "reports", json=report)
                highest = max(highest, seq)
                assert (answer.status_code, answer.json()) == (200, {"ack": highest})
                now = (await record(site))["usage"]["turns"]
                assert now >= turns
                turns = now

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


KNOWN = st.sampled_from(
    [{"type": "turn"}, {"type": "talk", "side": "bot", "seconds": 1.5}, {"type": "interruption"}]
)
NEWER = st.builds(lambda kind, more: {"more": more, "type": kind}, st.sampled_from(["mood", "Turn"]), JSON)


@settings(max_examples=100)
@given(events=st.lists(KNOWN | NEWER, max_size=12))
def test_events_of_newer_bots_are_left_out_wherever_they_stand_and_the_others_kept(
    events: list[dict[str, Any]],
) -> None:
    known = [event for event in events if event["type"] not in ("mood", "Turn")]
    report, unknown = read_report(json.dumps({**VALID, "events": events}).encode())
    expected, none = read_report(json.dumps({**VALID, "events": known}).encode())

    assert report == expected
    assert (len(report.events), none) == (len(known), [])
    assert unknown == [event["type"] for event in events if event["type"] in ("mood", "Turn")]
