"""Agents in the API: a session's agent and body, the list of agents, and what is refused."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from controller.agents.built_in import BuiltInAgents
from controller.core.agents import BUILT_IN, AgentDefinition, AgentStatus, AgentVersion, GoodbyeRule
from controller.core.errors import AgentInvalid
from testing.fakes.controllers.runtimes_and_rooms import FakeRuntime, secrets_of
from testing.fakes.controllers.site import Serve, Site

SHOP = AgentVersion(
    definition=AgentDefinition(
        name="shop",
        image="shop:1",
        file="server/bot.py",
        idle_seconds=20,
        no_caller_seconds=7.5,
        mute_seconds=0,
        goodbye=GoodbyeRule(sentence="Goodbye."),
        job={"spec": {"env": "a secret"}},
    ),
    serial=3,
)
BROKEN = AgentStatus(name="broken", problem="pcc-deploy.toml: image: leave it out.")


class SomeAgents(BuiltInAgents):
    """The built-in agent, one of an operator, and one whose definition was never valid."""

    def current(self, name: str) -> AgentVersion:
        if name == BROKEN.name:
            raise AgentInvalid(name)
        return SHOP if name == SHOP.name else super().current(name)

    def all(self) -> Sequence[AgentStatus]:
        return [
            BROKEN,
            AgentStatus(name=SHOP.name, version=SHOP, notes=("region: no effect.",)),
            *super().all(),
        ]

    async def watch(self) -> AsyncGenerator[AgentStatus, None]:
        async for status in super().watch():
            yield status


@pytest.fixture
async def shops(serve: Serve) -> AsyncGenerator[Site]:
    async with serve(agents=SomeAgents()) as site:
        yield site


async def test_a_session_is_launched_from_its_agents_active_version(shops: Site) -> None:
    session = await shops.start(agent="shop")
    usual = await shops.start()

    assert (session["agent"], session["agent_version"]) == ("shop", SHOP.id)
    assert (usual["agent"], usual["agent_version"]) == ("shopping", BUILT_IN.id)
    launches = shops.runtime.launches
    assert [each.agent for each in launches] == [SHOP, BUILT_IN]
    variables = [dict(each.environment) for each in launches]
    assert {name: variables[0].get(name) for name in variables[0].keys() - variables[1].keys()} == {
        "PODLINE_BOT_FILE": "server/bot.py",
        "PODLINE_IDLE_SECONDS": "20",
        "PODLINE_NO_CALLER_SECONDS": "7.5",
        "PODLINE_MUTE_SECONDS": "0",
        "PODLINE_GOODBYE": '{"sentence": "Goodbye."}',
    }
    assert [each["PODLINE_AGENT"] for each in variables] == ["shop", "shopping"]


@pytest.mark.parametrize(
    ("agent", "status", "code"), [("ghost", 404, "agent_not_found"), ("broken", 503, "agent_invalid")]
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/start"])
async def test_a_start_of_an_unknown_or_broken_agent_launches_nothing(
    shops: Site, path: str, agent: str, status: int, code: str
) -> None:
    answer = await shops.client.post(path, json={"user_id": "ana", "agent": agent})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert agent in answer.json()["detail"]
    assert shops.runtime.launches == []


async def test_agents_are_listed_with_versions_problems_and_sessions_but_no_job_patch(shops: Site) -> None:
    await shops.start(agent="shop")
    broken, shop, shopping = (await shops.client.get("/v1/agents")).json()["agents"]

    assert broken == {
        "name": "broken",
        "version": None,
        "problem": BROKEN.problem,
        "defined_by": None,
        "deploying": False,
        "notes": [],
        "sessions": {"starting": 0, "live": 0, "stopping": 0},
        "warm": {"wanted": 0, "ready": 0, "starting": 0, "in_use": 0, "problem": None},
    }
    assert shop["sessions"] == {"starting": 1, "live": 0, "stopping": 0}
    assert (shop["version"]["id"], shop["version"]["serial"]) == (SHOP.id, 3)
    assert shop["version"]["definition"]["image"] == "shop:1"
    assert shop["notes"] == ["region: no effect."]
    assert "a secret" not in json.dumps(shop)
    assert shopping["version"]["definition"] == {"name": "shopping", "panel": "products"}


async def test_sessions_are_listed_by_agent(shops: Site) -> None:
    ids = {agent: (await shops.start(agent=agent))["id"] for agent in ("shop", "shopping")}
    for agent, expected in ids.items():
        listed = (await shops.client.get("/v1/sessions", params={"agent": agent})).json()["sessions"]
        assert [each["id"] for each in listed] == [expected]
    assert (await shops.client.get("/v1/sessions?agent=ghost")).json()["sessions"] == []


@pytest.mark.parametrize("body", [{"cart": [1, "ü"]}, [], "", 0, False])
async def test_only_the_bot_gets_the_body(site: Site, body: object) -> None:
    session = await site.start(session_id="mine", body=body)

    assert "body" not in session
    [launch] = site.runtime.launches
    assert json.loads(secrets_of(launch)["PODLINE_BODY"]) == body
    assert "PODLINE_BODY" not in launch.environment
    assert "body" not in repr(replace(launch.session, metadata={})).replace("body_is_lost", "")
    other = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "mine"})
    assert other.json()["code"] == "session_conflict"


async def test_a_page_passes_a_body_to_its_bot_as_it_was_sent(site: Site) -> None:
    bodies: list[object] = [{"user_id": "ana", "cart": {"size": 3}}, {"colour": "red"}, {}, None]
    for body in bodies:
        assert (await site.client.post("/start", json={"body": body})).status_code == 200
    given = [secrets_of(each).get("PODLINE_BODY") for each in site.runtime.launches]
    assert [text and json.loads(text) for text in given] == [*bodies[:2], None, None]


@pytest.mark.parametrize("path", ["/v1/sessions", "/start"])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"x": "y" * 16_384}, "body: at most 16384 bytes of JSON are allowed, this is 16392."),
        ({"x": eval("[" * 40 + "]" * 40)}, "body: at most 32 levels of lists and objects are allowed."),  # noqa: S307
    ],
)
async def test_a_body_has_bounds(site: Site, path: str, body: object, detail: str) -> None:
    answer = await site.client.post(path, json={"user_id": "ana", "body": body})
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b'"\\ud800"', b"[" * 5000 + b"]" * 5000])
@pytest.mark.parametrize("path", ["/v1/sessions", "/start"])
async def test_a_body_that_is_no_json_is_refused(site: Site, path: str, value: bytes) -> None:
    content = b'{"user_id": "ana", "body": {"x": ' + value + b"}}"
    answer = await site.client.post(path, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert site.runtime.launches == []


async def test_a_body_is_dropped_with_the_end(site: Site) -> None:
    session = await site.start(body="a secret")
    assert isinstance(site.runtime, FakeRuntime)
    await site.client.delete(f"/v1/sessions/{session['id']}")
    assert {each.body for each in site.runtime.recorded if each.phase.is_end} == {None}
