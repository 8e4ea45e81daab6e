"""Starting sessions: repeats, slots, and what becomes of a start that fails."""

import asyncio
import json
from pathlib import Path

import pytest

from controller.core.errors import ControllerError, RoomsUnavailable, RuntimeUnavailable
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Serve, Site


async def test_a_start_launches_one_bot_and_says_where_the_caller_meets_it(site: Site) -> None:
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "metadata": {"cart": 7}})

    session = answer.json()
    assert answer.status_code == 201
    assert len(site.runtime.launches) == 1
    assert session["phase"] == "starting"
    assert session["room"] == {
        "provider": "daily",
        "url": f"https://rooms.example/{session['id']}",
        "token": "caller-token-1",
    }
    assert session["metadata"] == {"cart": 7}
    assert (session["reason"], session["message"]) == (None, None)
    assert session["timeline"]["launched"] is not None
    assert session["usage"]["partial"] is False


async def test_the_bot_receives_its_session_and_the_way_back(site: Site) -> None:
    session = await site.start("ana", session_id="s-1", max_duration_seconds=60)

    launch = site.runtime.launches[0]
    assert launch.environment == {
        "SESSION_ID": "s-1",
        "USER_ID": "ana",
        "PODLINE_AGENT": "shopping",
        "DAILY_ROOM_URL": session["room"]["url"],
        "PODLINE_CONTROLLER_URL": "http://127.0.0.1:7860",
        "PODLINE_LAUNCH_ID": launch.session.launch_id,
        "PODLINE_CONTRACT": "1",
        "PODLINE_MAX_DURATION_SECONDS": "60",
        "PODLINE_GRACE_SECONDS": "30",
    }
    assert set(secrets_of(launch)) == {"DAILY_TOKEN", "PODLINE_LAUNCH_TOKEN"}
    assert launch.deadline_seconds == 120 + 60 + 30


async def test_the_callers_token_is_shown_to_nobody_who_only_reads(site: Site) -> None:
    session = await site.start()

    assert (await site.read(session["id"]))["room"]["token"] is None
    listed = (await site.client.get("/v1/sessions")).json()["sessions"]
    assert [each["room"]["token"] for each in listed] == [None]


async def test_the_same_request_again_is_the_same_session_with_another_token(site: Site) -> None:
    first = await site.start(session_id="mine", metadata={"a": 1, "b": 2})
    again = await site.client.post(
        "/v1/sessions", json={"metadata": {"b": 2, "a": 1}, "session_id": "mine", "user_id": "ana"}
    )

    assert again.status_code == 200
    assert again.json()["timeline"]["accepted"] == first["timeline"]["accepted"]
    assert again.json()["room"]["token"] == "caller-token-2"
    assert len(site.runtime.launches) == 1


async def test_a_repeat_while_the_first_is_under_way_waits_for_it_and_launches_nothing(site: Site) -> None:
    site.runtime.may_launch.clear()
    requests = [
        asyncio.create_task(site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"}))
        for _ in range(5)
    ]
    while not (await site.client.get("/v1/sessions/mine")).is_success:  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0)
    site.runtime.may_launch.set()
    answers = await asyncio.gather(*requests)

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len(site.runtime.launches) == 1


async def test_a_repeat_after_the_end_shows_the_end_and_lets_nobody_in(site: Site) -> None:
    await site.start(session_id="mine")
    await site.client.delete("/v1/sessions/mine")

    again = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
    assert (again.status_code, again.json()["reason"]) == (200, "stopped")
    assert again.json()["room"]["token"] is None


async def test_the_same_id_for_another_request_is_a_conflict(site: Site) -> None:
    await site.start("ana", session_id="mine")
    answer = await site.client.post("/v1/sessions", json={"user_id": "bo", "session_id": "mine"})

    assert (answer.status_code, answer.json()["code"]) == (409, "session_conflict")
    assert answer.json()["detail"] == (
        "Session 'mine' was started with a different request. "
        "Repeat that request unchanged, or choose another session_id."
    )


async def test_fifty_at_once_for_ten_slots_get_exactly_ten_bots(serve: Serve) -> None:
    async with serve(capacity=10) as site:
        answers = await asyncio.gather(
            *(site.client.post("/v1/sessions", json={"user_id": f"user {n}"}) for n in range(50))
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 10 + [429] * 40
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "capacity_reached"
        assert int(refused.headers["retry-after"]) > 0
        assert len(site.runtime.launches) == 10


async def test_one_user_gets_two_slots_and_others_are_not_held_up(site: Site) -> None:
    await site.start("ana")
    await site.start("ana")
    third = await site.client.post("/v1/sessions", json={"user_id": "ana"})

    assert (third.status_code, third.json()["code"]) == (429, "user_limit_reached")
    await site.start("bo")


async def test_a_slot_is_free_again_only_when_the_bot_is_confirmed_gone(serve: Serve) -> None:
    async with serve(capacity=1, grace_seconds=0.1) as site:
        site.runtime.stubborn = True
        session = await site.start()
        stopped = await site.client.delete(f"/v1/sessions/{session['id']}")
        assert (stopped.status_code, stopped.json()["phase"]) == (202, "stopping")
        full = await site.client.post("/v1/sessions", json={"user_id": "bo"})
        assert full.status_code == 429

        site.runtime.stubborn = False
        await site.runtime.exit(site.runtime.launches[0].session.launch_id)
        await site.start("bo")


@pytest.mark.parametrize(
    ("part", "refusal", "code"),
    [
        ("runtime", RuntimeUnavailable("The cluster is on fire."), "runtime_unavailable"),
        ("rooms", RoomsUnavailable("The provider is on fire."), "rooms_unavailable"),
    ],
)
async def test_a_start_that_fails_says_so_frees_its_slot_and_may_be_repeated(
    serve: Serve, part: str, refusal: ControllerError, code: str
) -> None:
    async with serve(capacity=1) as site:
        getattr(site, part).refusal = refusal
        failed = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
        assert (failed.status_code, failed.json()["code"]) == (503, code)
        assert "retry-after" in failed.headers
        record = await site.read("mine")
        assert (record["phase"], record["reason"]) == ("failed", "launch_failed")
        assert record["message"] == failed.json()["detail"]

        getattr(site, part).refusal = None
        again = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
        assert (again.status_code, again.json()["phase"]) == (201, "starting")


async def test_a_stop_during_the_launch_reaches_the_bot_that_comes_of_it(site: Site) -> None:
    site.runtime.may_launch.clear()
    starting = asyncio.create_task(
        site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
    )
    while (await site.client.delete("/v1/sessions/mine")).status_code == 404:  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0)
    assert (await site.read("mine"))["phase"] == "stopping"
    site.runtime.may_launch.set()
    await starting

    assert len(site.runtime.stopped) == 1
    assert (await site.read("mine"))["reason"] == "stopped"


async def test_a_room_of_ones_own_gives_the_bot_its_token_and_the_caller_none(site: Site) -> None:
    room = {"url": "https://rooms.example/own", "token": "for the bot"}
    session = await site.start(room=room)

    assert secrets_of(site.runtime.launches[0])["DAILY_TOKEN"] == "for the bot"
    assert session["room"] == {"provider": "daily", "url": room["url"], "token": None}
    await site.client.delete(f"/v1/sessions/{session['id']}")
    assert site.rooms.closed == []


async def test_a_room_of_another_provider_is_refused(site: Site) -> None:
    room = {"url": "https://elsewhere.example/own", "token": "for the bot"}
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "room": room})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"] == "room.url: only rooms of rooms.example can be used."
    assert (await site.client.get("/v1/sessions")).json()["sessions"] == []


async def test_our_own_room_is_closed_when_its_session_has_ended(site: Site) -> None:
    session = await site.start()
    await site.client.delete(f"/v1/sessions/{session['id']}")

    await asyncio.sleep(0)
    assert site.rooms.closed == [session["room"]["url"]]


async def test_a_persona_is_a_name_from_the_operators_list(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("")
    async with serve(personas=tmp_path) as site:
        await site.start(persona="shop")
        assert site.runtime.launches[0].environment["PODLINE_PERSONA"] == str(tmp_path / "shop.toml")

        for name in ("../shop", str(tmp_path / "shop.toml"), "ghost"):
            answer = await site.client.post("/v1/sessions", json={"user_id": "bo", "persona": name})
            assert answer.status_code == 422
            assert answer.json()["detail"] == f"There is no persona {name!r}. Available: shop."


async def test_longer_than_the_operator_allows_is_refused(site: Site) -> None:
    answer = await site.client.post("/v1/sessions", json={"user_id": "a", "max_duration_seconds": 1801})

    assert answer.status_code == 422
    assert answer.json()["detail"] == "max_duration_seconds: a session may last 1800 seconds at most."


async def test_the_bot_has_the_relay_s_password_where_only_it_can_read(serve: Serve) -> None:
    async with serve(ice_servers=("turn:turn.example.com",), turn_secret="hush") as site:
        await site.start("ana", session_id="s-1")
        [launch] = site.runtime.launches

    [server] = json.loads(secrets_of(launch)["PODLINE_ICE_CONFIG"])["iceServers"]
    assert server["urls"] == "turn:turn.example.com"
    assert server["username"].endswith(":s-1")
    assert server["credential"] not in str(launch.environment)


async def test_a_session_that_has_ended_has_no_more_passwords_to_give(serve: Serve) -> None:
    async with serve(ice_servers=("turn:turn.example.com",), turn_secret="hush") as site:
        first = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "s-1"})
        await site.runtime.exit(site.runtime.launches[0].session.launch_id)
        again = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "s-1"})

    assert "ice_servers" in first.json()["room"]
    assert "ice_servers" not in again.json()["room"]
