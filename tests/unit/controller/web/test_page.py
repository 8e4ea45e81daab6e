"""What our page learns of agents, their panels' policy, and where it may connect to."""

import base64
import hashlib
from collections.abc import Sequence

import msgspec
import pytest

from controller.agents.built_in import BuiltInAgents
from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.web.app import PAGE
from controller.web.auth import Key, KeyScope
from controller.web.panels import panel_policy
from testing.fakes.controllers.site import Serve, Site


def key(name: str, scope: KeyScope) -> Key:
    return Key(name, hashlib.sha256(name.encode()).hexdigest(), frozenset({scope}))


VENDOR = PAGE / "vendor"
KEYS = tuple(key(scope.value, scope) for scope in KeyScope)


def version(**fields: object) -> AgentVersion:
    return AgentVersion(definition=AgentDefinition(**fields), serial=1)  # type: ignore[arg-type]


class SomeAgents(BuiltInAgents):
    """The built-in agent; one that has been broken since; one that never worked; one for other rooms."""

    def all(self) -> Sequence[AgentStatus]:
        return [
            *super().all(),
            AgentStatus(
                name="support",
                version=version(name="support", image="registry.example/secret"),
                problem="podline.toml: file: write a path.",
            ),
            AgentStatus(name="broken", problem="podline.toml: file: write a path."),
            AgentStatus(name="sip", version=version(name="sip", rooms=("livekit",))),
        ]


async def test_the_page_sees_names_and_panels_of_agents_that_it_can_start_and_nothing_else(
    serve: Serve,
) -> None:
    async with serve(agents=SomeAgents()) as site:
        answer = await site.client.get("/start/agents")

    assert answer.json() == {
        "room": site.rooms.provider,
        "default": "shopping",
        "agents": [{"name": "shopping", "has_panel": True}, {"name": "support", "has_panel": False}],
    }


@pytest.mark.parametrize(
    ("scope", "status"), [(None, 401), ("read", 403), ("start", 200), ("public_start", 200), ("admin", 200)]
)
async def test_who_may_start_may_list_what_to_start(serve: Serve, scope: str | None, status: int) -> None:
    async with serve(keys=KEYS) as site:
        headers = {"authorization": f"Bearer {scope}"} if scope else {}
        answer = await site.client.get("/start/agents", headers=headers)
    assert answer.status_code == status


async def test_the_page_calls_the_agent_that_the_operator_names(serve: Serve) -> None:
    async with serve(agents=SomeAgents(), default_agent="support") as site:
        answer = await site.client.get("/start/agents")
        refused = await site.client.post("/start", json={})

    assert answer.json()["default"] == "support"
    assert "no agent 'support'" in refused.json()["detail"]


@pytest.mark.parametrize(("agents", "default"), [({"support"}, "support"), ({"shopping", "sip"}, "shopping")])
async def test_a_limited_key_is_shown_the_agents_that_it_is_limited_to(
    serve: Serve, agents: set[str], default: str
) -> None:
    limited = msgspec.structs.replace(key("page", KeyScope.PUBLIC_START), agents=frozenset(agents))
    async with serve(agents=SomeAgents(), keys=(limited,)) as site:
        answer = await site.client.get("/start/agents", headers={"authorization": "Bearer page"})

    shown = answer.json()
    assert [each["name"] for each in shown["agents"]] == [default]
    assert shown["default"] == default


async def test_with_public_starts_the_list_is_open_and_costs_none(serve: Serve) -> None:
    async with serve(keys=KEYS, public_start=True, public_starts_per_minute=1) as site:
        for _ in range(3):
            assert (await site.client.get("/start/agents")).status_code == 200
        assert (await site.client.post("/start", json={})).status_code == 200


async def test_a_panel_has_an_origin_of_its_own_and_only_its_own_scripts(site: Site) -> None:
    panel = await site.client.get("/panels/shopping")
    policy = panel.headers["content-security-policy"].split("; ")

    assert panel.headers["content-type"] == "text/html; charset=utf-8"
    script = panel.text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert {"default-src 'none'", "sandbox allow-scripts", "frame-ancestors 'self'"} <= set(policy)
    assert [each for each in policy if each.startswith("script-src")] == [f"script-src 'sha256-{digest}'"]
    assert "connect-src" not in panel.headers["content-security-policy"]


@pytest.mark.parametrize(
    "html",
    [
        "<p onclick='alert(1)'>hello</p>",
        "<script src='https://evil.example/x.js'></script>",
        "<!-- <script>alert(1)</script> -->",
    ],
)
def test_a_panel_without_scripts_of_its_own_runs_none(html: str) -> None:
    assert panel_policy(html).endswith("; script-src 'none'")


def test_each_script_of_a_panel_runs() -> None:
    policy = panel_policy("<script>one</script><SCRIPT type=module>t</p>wo</SCRIPT><style>three</style>")
    digests = [base64.b64encode(hashlib.sha256(each).digest()).decode() for each in (b"one", b"t</p>wo")]
    assert set(policy.partition("script-src ")[2].split()) == {f"'sha256-{each}'" for each in digests}


async def test_where_no_page_is_served_there_is_no_panel(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        assert (await site.client.get("/panels/shopping")).json()["code"] == "agent_not_found"
    async with serve(agents=SomeAgents()) as site:
        assert (await site.client.get("/panels/support")).json()["code"] == "agent_not_found"


def test_livekits_client_is_the_one_whose_hash_is_beside_it() -> None:
    digest, name = (VENDOR / "SHA256SUMS").read_text().split()
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    assert sorted(each.name for each in VENDOR.iterdir()) == ["LICENSES.txt", "SHA256SUMS", name]


LIVEKIT = {"PODLINE_ROOMS": "livekit", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "s" * 32}


@pytest.mark.parametrize(
    ("settings", "sources"),
    [
        ({}, None),
        (LIVEKIT | {"LIVEKIT_URL": "ws://10.0.0.5:7880"}, "ws://10.0.0.5:7880 http://10.0.0.5:7880"),
        (
            LIVEKIT | {"LIVEKIT_URL": "ws://sfu:7880", "LIVEKIT_PUBLIC_URL": "wss://rooms.example.com"},
            "wss://rooms.example.com https://rooms.example.com",
        ),
        (
            LIVEKIT | {"LIVEKIT_URL": "wss://shop-1a2b.livekit.cloud"},
            "wss://*.livekit.cloud https://*.livekit.cloud",
        ),
    ],
)
async def test_the_page_connects_to_its_own_server_and_to_callers_rooms(
    serve: Serve, settings: dict[str, str], sources: str | None
) -> None:
    async with serve(**settings) as site:
        policy = (await site.client.get("/")).headers["content-security-policy"].split("; ")
    connections = [each for each in policy if each.startswith("connect-src")]
    assert connections == ([f"connect-src 'self' {sources}"] if sources else [])
