"""What a request may say, and what a person reads when it may not."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from controller.core.errors import OF_THE_APP
from controller.web.models.values import SessionId, UserId
from testing.fakes.controllers.site import Serve, Site


@pytest.mark.parametrize("user_id", ["ana", "Zoë", "李小龍", "می‌خواهم", "a b", "🙂", "x" * 128])
def test_users_of_any_script_are_welcome(user_id: str) -> None:
    assert TypeAdapter(UserId).validate_python(user_id) == user_id


@pytest.mark.parametrize("user_id", ["", "x" * 129, "a\nb", "a\x00", "\x7f", "\u202e", "\ud800", "a\u2028b"])
def test_a_user_id_that_could_break_a_log_or_an_environment_is_refused(user_id: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UserId).validate_python(user_id)


@given(st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True).filter(lambda text: text not in (".", "..")))
def test_each_session_id_of_the_contract_is_taken(session_id: str) -> None:
    assert TypeAdapter(SessionId).validate_python(session_id) == session_id


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a b", "x" * 129, "é", "a\n"])
def test_a_session_id_that_could_be_a_path_or_worse_is_refused(session_id: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SessionId).validate_python(session_id)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "user_id: Field required."),
        ({"user_id": 7}, "user_id: Input should be a valid string."),
        ({"user_id": "a\nb"}, "user_id: control characters are not allowed."),
        ({"user_id": "a", "colour": "red"}, "colour: Extra inputs are not permitted."),
        (
            {"user_id": "a", "room": {"url": "x"}, "session_id": ".."},
            "session_id: '.' and '..' are not allowed; room.token: Field required.",
        ),
        (
            {"user_id": "a", "max_duration_seconds": True},
            "max_duration_seconds: Input should be a valid integer.",
        ),
        (
            {"user_id": "a", "metadata": {"x": "y" * 4096}},
            "metadata: at most 4096 bytes of JSON are allowed, this is 4104.",
        ),
        ([], "body: Input should be a valid dictionary or object to extract fields from."),
    ],
)
async def test_an_invalid_request_is_told_field_by_field(site: Site, body: object, detail: str) -> None:
    answer = await site.client.post("/v1/sessions", json=body)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "The request is not valid",
        "status": 422,
        "detail": detail,
        "caller_message": OF_THE_APP,
        "code": "invalid_request",
    }


async def test_broken_json_is_named_as_such(site: Site) -> None:
    answer = await site.client.post(
        "/v1/sessions", content=b'{"user_id": ', headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["detail"]) == (422, "body: this is not valid JSON.")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/sessions", 405, "method_not_allowed"),
        ("GET", "/v1/sessions/ghost", 404, "session_not_found"),
        ("DELETE", "/v1/sessions/ghost", 404, "session_not_found"),
        ("GET", "/v1/sessions/ghost/events", 404, "session_not_found"),
        ("GET", "/v1/sessions/ghost/logs", 404, "session_not_found"),
        ("GET", "/v1/sessions?limit=0", 422, "invalid_request"),
        ("GET", "/v1/sessions?phase=asleep", 422, "invalid_request"),
        ("GET", "/v1/sessions?cursor=nonsense", 422, "invalid_request"),
    ],
)
async def test_each_error_is_a_problem_document(
    site: Site, method: str, path: str, status: int, code: str
) -> None:
    answer = await site.client.request(method, path)

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (status, status, code)
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    "metadata",
    [b'{"x": "\\ud800"}', b'{"x": NaN}', b'{"x": 1e999}', b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}"],
)
async def test_metadata_that_could_not_be_given_back_is_refused(site: Site, metadata: bytes) -> None:
    body = b'{"user_id": "ana", "metadata": ' + metadata + b"}"
    answer = await site.client.post(
        "/v1/sessions", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert site.runtime.launches == []


async def test_markup_in_metadata_comes_back_as_it_was_and_as_json_only(site: Site) -> None:
    metadata = {"<script>": "alert(1)", "long": 10**30, "ünï": "\u0000"}
    session = await site.start(session_id="mine", metadata=metadata)
    answer = await site.client.get("/v1/sessions/mine")

    assert session["metadata"] == answer.json()["metadata"] == metadata
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", ["user=ana", "phase=live&offset=3"])
async def test_a_mistyped_filter_is_refused_rather_than_showing_everybodys(site: Site, query: str) -> None:
    answer = await site.client.get(f"/v1/sessions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"].endswith("Extra inputs are not permitted.")


async def test_a_refused_method_is_told_all_that_can_be_done_there(site: Site) -> None:
    assert (await site.client.put("/v1/sessions")).headers["allow"] == "GET, POST"
    assert (await site.client.get("/sessions/x/api/offer")).headers["allow"] == "POST, PATCH"


async def test_a_body_over_64_kb_is_refused_before_it_is_read_whole(site: Site) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 16 * 1024

    answer = await site.client.post(
        "/v1/sessions", content=endless(), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent <= 6


async def test_an_error_of_our_own_tells_a_stranger_nothing(site: Site) -> None:
    site.runtime.refusal = TypeError("a bug")

    answer = await site.client.post("/v1/sessions", json={"user_id": "ana"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["detail"] == "The controller failed. See its log for details."


async def test_sessions_are_listed_newest_first_in_pages(serve: Serve) -> None:
    async with serve() as site:
        for number in range(5):
            await site.start(f"user {number}", session_id=f"s-{number}")
        seen, cursor = [], None
        while True:
            query = httpx.QueryParams(limit=2, **({"cursor": cursor} if cursor else {}))
            page = (await site.client.get("/v1/sessions", params=query)).json()
            seen += [session["id"] for session in page["sessions"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert seen == ["s-4", "s-3", "s-2", "s-1", "s-0"]


async def test_a_list_can_be_narrowed_to_a_user_or_a_phase(site: Site) -> None:
    await site.start("ana", session_id="running")
    await site.start("bo", session_id="over")
    await site.client.delete("/v1/sessions/over")

    async def ids(**query: str) -> list[str]:
        answer = await site.client.get("/v1/sessions", params=query)
        return [session["id"] for session in answer.json()["sessions"]]

    assert await ids(user_id="ana") == ["running"]
    assert await ids(phase="ended") == ["over"]
    assert await ids(phase="ended", user_id="ana") == []
