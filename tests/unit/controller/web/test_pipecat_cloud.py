"""Pipecat Cloud's API: who may do what, what is refused, and in what words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from json import dumps
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.agents.defined_by_files import SecretFiles
from controller.core.agents import AgentDefinition
from testing.callers.keys import KEYS, bearer, key
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, secrets_of
from testing.fakes.controllers.secret_sets import MemorySecretSets
from testing.fakes.controllers.site import Serve, Site

ORG = "/v1/organizations/podline"
LIMITED = msgspec.structs.replace(key("limited", "admin"), agents=frozenset({"clerk"}))
CLERK = AgentDefinition(name="clerk", image="clerk:1")


class RoomsOfWebRtc(FakeRooms):
    """Rooms that are none of Daily's."""

    provider = "webrtc"


class Cloud:
    """A site with agents and secret sets, asked as Pipecat Cloud's clients ask."""

    def __init__(self, site: Site, sets: MemorySecretSets) -> None:
        self.site, self.sets = site, sets

    async def ask(self, method: str, path: str, key_: str = "boss", json: Any = None) -> tuple[int, Any]:
        headers = {**bearer(key_), **({"content-type": "application/json"} if json is not None else {})}
        # With escapes, because UTF-8 has no halves of characters.
        content = dumps(json) if json is not None else None
        answer = await self.site.client.request(method, path, headers=headers, content=content)
        return answer.status_code, answer.json()

    async def refusal(self, method: str, path: str, key_: str = "boss", **request: Any) -> str:
        """The sentence of an error, which has nothing but it and its code."""
        status, answer = await self.ask(method, path, key_, **request)
        assert status >= 400
        assert answer.keys() == {"error", "code"}
        return f"{status} {answer['code']}: {answer['error']}"


@pytest.fixture
async def cloud(serve: Serve) -> AsyncIterator[Cloud]:
    sets = MemorySecretSets()
    agents, rooms = NamedAgents(CLERK), RoomsOfWebRtc()
    async with serve((*KEYS, LIMITED), rooms, agents=agents, secret_sets=sets) as site:
        yield Cloud(site, sets)


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/v1/organizations", "reader"),
        ("GET", "/v1/users", "reader"),
        ("GET", f"{ORG}/services", "reader"),
        ("GET", f"{ORG}/services/clerk", "reader"),
        ("GET", f"{ORG}/services/clerk/sessions", "reader"),
        ("GET", f"{ORG}/services/clerk/logs", "reader"),
        ("GET", f"{ORG}/services/clerk/deployments", "reader"),
        ("GET", f"{ORG}/secrets", "reader"),
        ("GET", f"{ORG}/regions", "reader"),
        ("GET", f"{ORG}/agent-profiles", "reader"),
        ("GET", f"{ORG}/properties", "reader"),
        ("GET", f"{ORG}/properties/schema", "reader"),
        ("GET", f"{ORG}/apiKeys", "boss"),
        ("DELETE", f"{ORG}/services/clerk", "boss"),
        ("DELETE", f"{ORG}/secrets/keys", "boss"),
        ("DELETE", f"{ORG}/services/clerk/sessions/none", "stopper"),
    ],
)
async def test_each_request_needs_its_scope(cloud: Cloud, method: str, path: str, needed: str) -> None:
    allowed = {each.name: (await cloud.ask(method, path, each.name))[0] for each in KEYS}

    assert {name for name, status in allowed.items() if status not in (401, 403)} == {needed, "boss"}
    assert "401 401: Send a key" in await cloud.refusal(method, path, "wrong")


async def test_a_key_of_some_agents_sees_no_other_and_no_secret(cloud: Cloud) -> None:
    _, listed = await cloud.ask("GET", f"{ORG}/services", "limited")

    assert [each["name"] for each in listed["services"]] == ["clerk"]
    assert "404 agent_not_found" in await cloud.refusal("GET", f"{ORG}/services/shopping", "limited")
    assert "403 forbidden" in await cloud.refusal("GET", f"{ORG}/secrets", "limited")
    for_others = {"serviceName": "usher", "image": "usher:1"}
    assert "404 agent_not_found" in await cloud.refusal("POST", f"{ORG}/services", "limited", json=for_others)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", f"{ORG}/builds/upload-url", "Podline builds no images"),
        ("GET", f"{ORG}/builds", "Podline builds no images"),
        ("GET", f"{ORG}/github/installation", "not connected to GitHub"),
        ("POST", f"{ORG}/services/clerk/environments/production/git", "not connected to GitHub"),
        ("GET", f"{ORG}/spend-limit", "sends no bills"),
        ("PUT", f"{ORG}/spend-limit", "sends no bills"),
        ("POST", f"{ORG}/registry-keys", "no registry"),
        ("GET", f"{ORG}/daily", "Daily's key stays"),
        ("POST", f"{ORG}/regions", "no regions"),
        ("PATCH", f"{ORG}/properties", "nothing to set"),
        ("PATCH", f"{ORG}/agent-profiles/agent-1x", "Profiles can't be changed"),
        ("POST", f"{ORG}/secrets/references", "for agents that an operator defines"),
        ("POST", f"{ORG}/apiKeys", "PODLINE_KEYS_FILE"),
        ("DELETE", f"{ORG}/apiKeys/1", "PODLINE_KEYS_FILE"),
        ("GET", "/auth/config", "Set PIPECAT_TOKEN"),
    ],
)
async def test_what_podline_does_not_have_says_what_to_do(
    cloud: Cloud, method: str, path: str, said: str
) -> None:
    refusal = await cloud.refusal(method, path, json={})

    assert refusal.startswith("501 not_supported")
    assert said in refusal


async def test_there_is_one_organization(cloud: Cloud) -> None:
    assert "404 not_found" in await cloud.refusal("GET", "/v1/organizations/other/services")
    assert "404 not_found" in await cloud.refusal("GET", f"{ORG}/nothing")


async def test_what_files_define_can_t_be_changed(cloud: Cloud) -> None:
    change = {"serviceName": "shopping", "image": "shopping:2", "autoScaling": {"minAgents": 0}}

    refusal = await cloud.refusal("PUT", f"{ORG}/services", json=change)

    assert refusal.startswith("409 agent_defined_by_file: The agent 'shopping' is defined by bot/bot.py")
    assert "409 agent_defined_by_file" in await cloud.refusal("DELETE", f"{ORG}/services/shopping")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"serviceName": "start-me", "image": "a:1"}, "422 invalid_request: name: an agent's name"),
        ({"serviceName": "clerk"}, "501 not_supported: Podline builds no images"),
        ({"serviceName": "clerk", "buildId": "b"}, "501 not_supported: Podline builds no images"),
        ({"serviceName": "clerk", "git": {"repoFullName": "a/b"}}, "501 not_supported"),
        ({"serviceName": "clerk", "image": "a" * 2000}, "422 invalid_request"),
        ({"serviceName": "clerk", "image": 5}, "422 invalid_request"),
        ({}, "422 invalid_request"),
    ],
)
async def test_a_deployment_that_makes_no_sense_is_refused(
    cloud: Cloud, change: dict[str, Any], said: str
) -> None:
    assert said in await cloud.refusal("POST", f"{ORG}/services", json=change)


async def test_secrets_are_written_and_never_given_back(cloud: Cloud) -> None:
    variable = {
        "name": "keys",
        "isImagePullSecret": False,
        "secretKey": "A_KEY",
        "secretValue": "very-secret",
    }
    pull = {"isImagePullSecret": True, "secretValue": "bWU6cGFzcw==", "host": "https://index.docker.io/v1/"}
    written = [
        await cloud.ask("PUT", f"{ORG}/secrets/keys", json=variable),
        await cloud.ask("PUT", f"{ORG}/secrets/registry", json=pull),
    ]
    _, listed = await cloud.ask("GET", f"{ORG}/secrets", "reader")
    _, read = await cloud.ask("GET", f"{ORG}/secrets/keys", "reader")

    assert [status for status, _ in written] == [200, 200]
    assert cloud.sets.values == {"keys": {"A_KEY": "very-secret"}}
    assert [(each["name"], each["type"]) for each in listed["sets"]] == [
        ("keys", "secretSet"),
        ("registry", "imagePullSecret"),
    ]
    assert read["secrets"] == [{"fieldName": "A_KEY"}]
    assert "very-secret" not in str((written, listed, read))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("../keys", {"secretKey": "A", "secretValue": "very-secret"}),
        ("ke ys", {"secretKey": "A", "secretValue": "very-secret"}),
        ("keys", {"secretKey": "A B", "secretValue": "very-secret"}),
        ("keys", {"secretKey": "", "secretValue": "very-secret"}),
        ("keys", {"secretKey": "PODLINE_LAUNCH_TOKEN", "secretValue": "very-secret"}),
        ("keys", {"secretKey": "SESSION_ID", "secretValue": "very-secret"}),
        ("keys", {"secretKey": "A", "secretValue": ["very-secret"]}),
        ("keys", {"secretKey": "A", "secretValue": "very-secret\x00"}),
        ("keys", {"secretKey": "A", "secretValue": "very-secret\ud800"}),
        ("keys", {"secretKey": "A", "secretValue": "very-secret" * 4000}),
        ("keys", {"secretKey": "A" * 65, "secretValue": "very-secret"}),
        ("keys", {"isImagePullSecret": True, "secretValue": "very:secret", "host": "registry.example.com"}),
        ("keys", {"isImagePullSecret": True, "secretValue": "bWU6cGFzcw==", "host": "a b"}),
    ],
)
async def test_a_secret_that_makes_no_sense_is_refused_and_not_repeated(
    cloud: Cloud, name: str, body: dict[str, Any]
) -> None:
    status, answer = await cloud.ask("PUT", f"{ORG}/secrets/{name}", json=body)

    assert status in (404, 422)
    assert "very-secret" not in str(answer)
    assert (cloud.sets.values, cloud.sets.registries) == ({}, {})


async def test_a_browser_starts_with_a_public_key_and_offers_where_pipecats_client_does(cloud: Cloud) -> None:
    body = {"createDailyRoom": False, "enableDefaultIceServers": True, "body": {"lamp": "green"}}
    status, started = await cloud.ask("POST", "/v1/public/clerk/start", "browser", json=body)
    bare, _, _ = started["sessionId"].partition("~")
    launch = cloud.site.runtime.launch_of(bare)
    offers = "/v1/public/clerk/start".replace("/start", f"/sessions/{started['sessionId']}/api/offer", 1)
    guessed, _ = await cloud.ask("POST", offers + "x", "browser", json={"sdp": "v=0", "type": "offer"})
    stopped = await cloud.ask("DELETE", f"{ORG}/services/clerk/sessions/{bare}", "browser")
    refused = await cloud.refusal(
        "POST", offers.replace("~", "~0"), "browser", json={"sdp": "", "type": "offer"}
    )

    assert status == 200
    assert (launch.agent.name, launch.session.user_id[:10]) == ("clerk", "anonymous-")
    assert secrets_of(launch)["PODLINE_BODY"] == '{"lamp":"green"}'
    assert (guessed, stopped[0]) == (404, 403)
    assert refused.startswith("401 401: An offer needs the current token")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"createDailyRoom": True}, "createDailyRoom: this controller has rooms of kind"),
        ({"body": {"user_id": "ana"}}, "403 forbidden: body.user_id"),
        ({"body": {"user_id": 7}}, "body.user_id"),
        ({"body": {"user_id": "a\x00b"}}, "body.user_id"),
        ({"body": {"user_id": "a" * 129}}, "body.user_id"),
        ({"body": {"lamp": "x" * 20_000}}, "at most 16384 bytes"),
    ],
)
async def test_what_a_browser_may_not_ask_for_is_refused(
    cloud: Cloud, body: dict[str, Any], said: str
) -> None:
    assert said in await cloud.refusal("POST", "/v1/public/clerk/start", "browser", json=body)
    assert cloud.site.runtime.launches == []


@pytest.mark.parametrize("name", ["ghost", "Clerk", "clerk%0A", "clerk~", "a" * 41, "a" * 300])
async def test_an_agent_that_is_not_there_can_t_be_started(cloud: Cloud, name: str) -> None:
    refusal = await cloud.refusal("POST", f"/v1/public/{name}/start", "browser", json={})

    assert refusal.startswith("404 agent_not_found")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"start_video_off": False, "lang": "de"}, None),
        ({"exp": 9_999_999_999}, 'dailyRoomProperties: "exp" may not be chosen here. Allowed: enable_chat'),
        ({"enable_recording": "cloud"}, "may not be chosen"),
        ({"max_participants": 200}, "may not be chosen"),
        ({"lang": {"a": 1}}, "lang: write true, false or a short text"),
        ({"lang": "x" * 65}, "lang: write true, false or a short text"),
        ({"lang": "\ud800"}, "lang: write true, false or a short text"),
        ({"geo": "\x1b[2J"}, "geo: write true, false or a short text"),
        ({f"p{number}": True for number in range(51)}, "422"),
    ],
)
async def test_only_harmless_properties_of_a_room_are_passed_on(
    serve: Serve, properties: dict[str, Any], said: str | None
) -> None:
    body = {"createDailyRoom": True, "dailyRoomProperties": properties}
    async with serve(KEYS, agents=NamedAgents(CLERK)) as site:
        cloud = Cloud(site, MemorySecretSets())
        if said is None:
            status, started = await cloud.ask("POST", "/v1/public/clerk/start", "browser", json=body)
            [launch] = site.runtime.launches
            assert (status, launch.session.room_properties) == (200, properties)
            assert {"sessionId", "dailyRoom", "dailyToken"} <= started.keys()
        else:
            assert said in await cloud.refusal("POST", "/v1/public/clerk/start", "browser", json=body)


async def test_a_session_is_another_agents_to_its_services_routes(cloud: Cloud) -> None:
    _, started = await cloud.ask("POST", "/v1/public/clerk/start", "browser", json={})
    bare = started["sessionId"].partition("~")[0]

    refusal = await cloud.refusal("GET", f"{ORG}/services/shopping/sessions/{bare}")

    assert refusal.startswith("404 session_not_found")
    _, listed = await cloud.ask("GET", f"{ORG}/services/clerk/sessions?endState=active")
    assert [each["sessionId"] for each in listed["sessions"]] == [bare]


async def test_a_secret_set_of_this_machine_is_found_by_a_name_that_one_can_have(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    for directory in (tmp_path / "secrets", tmp_path):
        (directory / "keys.env").write_text("A_KEY=very-secret\n")
    async with serve(KEYS, secret_sets=SecretFiles(tmp_path)) as site:
        cloud = Cloud(site, MemorySecretSets())
        answers = {
            name: await cloud.ask("GET", f"{ORG}/secrets/{name}", "reader")
            for name in ("keys", "..%2Fkeys", "%2E%2E", "k%00", "keys%0A", "x" * 100)
        }

    found = {name: status for name, (status, _) in answers.items()}
    assert found == {**dict.fromkeys(answers, 404), "keys": 200}
    assert answers["keys"][1]["secrets"] == [{"fieldName": "A_KEY"}]
