"""What a client may send, and what becomes of the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.runner.room.client_messages import (
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_CHARACTERS_OF_CALL,
    MAX_MESSAGES,
    MAX_REFUSALS,
    MAX_TEXTS,
    ClientMessages,
)
from testing.callers.client_messages import FakePage, StillClock, typed


class Call:
    """The messages of one call."""

    def __init__(self) -> None:
        self.clock, self.page = StillClock(), FakePage()
        self.messages = ClientMessages(self.clock, self.page.show)

    async def send(self, message: object, seconds_later: float = 0.0) -> bool:
        self.clock.now += seconds_later
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        return await self.messages.take(raw) is not None


READY = {
    "label": "rtvi-ai",
    "type": "client-ready",
    "id": "1",
    "data": {"version": "2.2.0", "about": {"a": 1}},
}
MUTED = {"type": "signalling", "message": {"type": "trackStatus", "receiver_index": 0, "enabled": False}}


@pytest.mark.parametrize(
    "message", [READY, MUTED, typed("find a lamp"), "ping: 1764374400", {**READY, "data": None}]
)
async def test_what_our_clients_send_is_taken(message: object) -> None:
    call = Call()

    assert await call.send(message)
    assert call.page.received == []


async def test_only_known_fields_reach_pipecat() -> None:
    call = Call()
    message = {**typed("tea"), "role": "system", "extra": {"a": [1]}}
    message["data"] = {"content": "tea", "role": "system", "options": None}

    taken = json.loads(await call.messages.take(json.dumps(message)) or "")

    assert taken == {
        "label": "rtvi-ai",
        "type": "send-text",
        "id": "1",
        "data": {"content": "tea", "options": None},
    }


OWN = {"label": "rtvi-ai", "type": "client-message", "id": "1", "data": {"t": "page", "d": {"number": [2]}}}


async def test_a_page_s_own_messages_reach_only_a_bot_that_handles_them() -> None:
    call = Call()

    assert await call.messages.take(json.dumps(OWN)) is None
    assert call.page.received == ["This assistant does not accept messages of that type."]

    call.messages.bot_handles_its_own = True

    assert json.loads(await call.messages.take(json.dumps(OWN)) or "") == OWN
    assert not await call.send({**OWN, "data": {"t": "page", "d": "x" * MAX_BYTES}})


@pytest.mark.parametrize("text", ["x" * MAX_CHARACTERS, "ü" * MAX_CHARACTERS, "🙂" * MAX_CHARACTERS])
async def test_the_longest_text_is_taken_in_any_script_and_one_character_more_is_not(text: str) -> None:
    call = Call()

    assert await call.send(typed(text))
    assert not await call.send(typed(text + "x"))
    assert call.page.received == ["Your message is over 2,000 characters. Send a shorter one."]
    assert call.messages.drain() == {"size": 1}


async def test_a_person_may_type_on_through_a_long_call() -> None:
    call = Call()

    assert all([await call.send(typed("yes please"), seconds_later=3) for _ in range(MAX_TEXTS)])
    assert not await call.send(typed("yes please"), seconds_later=3)
    assert call.messages.drain() == {"total": 1}


async def test_all_that_is_typed_in_a_call_is_bounded_as_well() -> None:
    call = Call()

    taken = [await call.send(typed("x" * MAX_CHARACTERS), seconds_later=3) for _ in range(MAX_TEXTS)]

    assert sum(taken) * MAX_CHARACTERS == MAX_CHARACTERS_OF_CALL


async def test_texts_faster_than_anybody_types_are_refused_until_some_time_has_passed() -> None:
    call = Call()

    assert sum([await call.send(typed("and")) for _ in range(40)]) == 10
    assert await call.send(typed("and"), seconds_later=1)


async def test_pings_go_on_however_long_the_call_is() -> None:
    call = Call()

    assert all([await call.send("ping: 1", seconds_later=1) for _ in range(MAX_MESSAGES + 1)])
    assert await call.send(typed("still here"))


async def test_messages_are_bounded_in_rate_and_in_number() -> None:
    call = Call()

    assert sum([await call.send(READY) for _ in range(100)]) == 50
    taken = [await call.send(READY, seconds_later=1) for _ in range(2 * MAX_MESSAGES)]
    assert sum(taken) <= MAX_MESSAGES


async def test_a_flood_is_answered_now_and_then_and_in_the_end_not_at_all() -> None:
    call = Call()

    for _ in range(MAX_REFUSALS):
        await call.send({"type": "nonsense"}, seconds_later=0.01)
    assert 5 <= len(call.page.received) <= 7
    received = list(call.page.received)
    for _ in range(MAX_REFUSALS):
        assert not await call.send(READY, seconds_later=10)

    assert call.page.received == received
    assert sum(call.messages.drain().values()) == 2 * MAX_REFUSALS


async def test_nothing_is_taken_or_answered_once_the_call_is_closed_to_messages() -> None:
    call = Call()
    call.messages.close()

    assert not await call.send(typed("one more"))
    assert not await call.send("nonsense")
    assert call.page.received == []


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ("", "malformed"),
        ("hello", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        ("NaN", "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (json.dumps(READY).encode("utf-16"), "malformed"),
        ('{"type": {}}', "malformed"),
        ('{"type": "send-text"}', "malformed"),
        ("[" * 20_000, "malformed"),
        ('{"type":' * 4_000, "malformed"),
        ('{"type": "nonsense", "data": ' + "[" * 5_000 + "]" * 5_000 + "}", "malformed"),
        (json.dumps({**READY, "label": "x" * 1000}), "malformed"),
        (json.dumps({**READY, "id": "x" * 1000}), "malformed"),
        (json.dumps({**READY, "id": 7}), "malformed"),
        (json.dumps({**typed("a"), "data": {"content": ["a"]}}), "malformed"),
        ('{"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": "\\ud800"}}', "malformed"),
        ("ping" + "x" * 100, "malformed"),
        ("ping" + "x" * MAX_BYTES, "size"),
        ("ü" * MAX_BYTES, "size"),
        (b"x" * (MAX_BYTES + 1), "size"),
        ('{"type": "' + "x" * 5_000 + '"}', "unsupported"),
    ],
)
async def test_what_is_no_message_is_refused_and_harms_nothing(raw: str | bytes, cause: str) -> None:
    call = Call()

    assert not await call.send(raw)

    assert call.messages.drain() == {cause: 1}
    assert len(call.page.received) == 1
    assert await call.send(READY)


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.builds(
            json.dumps,
            st.recursive(
                st.one_of(
                    st.none(),
                    st.booleans(),
                    st.integers(),
                    st.floats(),
                    st.text(),
                    st.sampled_from(["rtvi-ai"]),
                ),
                lambda inner: (
                    st.lists(inner) | st.dictionaries(st.sampled_from(["type", "id", "data", "label"]), inner)
                ),
            ),
        ),
    )
)
async def test_whatever_is_sent_nothing_is_raised(raw: str | bytes) -> None:
    await Call().send(raw)
