"""A bot that obeys somebody else: its pod's packets reach what a call needs, and nothing else.

The same targets are tried before there are policies, and all of them answer: what a bot does not reach
afterwards was kept from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest_asyncio

from testing.node.node_cluster import API_SERVER_PORT, NodeCluster
from testing.node.worker import DNS_ADDRESS, NODE_ADDRESS
from tests.attacks.node.world import (
    API_SERVER,
    BOT,
    CONTROLLER,
    INTERNET,
    LAN,
    METADATA,
    NODE_LOCAL_DNS,
    NODES,
    SERVES,
    Pod,
    addresses_elsewhere,
    everywhere,
    install_policies,
    make_namespace,
    make_pod,
)

IN_CLUSTER: Final = (
    "rooms-in-cluster",
    "model-in-cluster",
    "store-in-cluster",
    "traces",
    "dns-on-nodes",
    "rooms-on-internet",
    "model-tokens",
    "metrics",
)
SITES: Final[Mapping[str, tuple[str, ...]]] = {
    "reach": (),
    "reach-lan": ("callers-on-lan",),
    "reach-turn": ("turn",),
    "reach-cluster": IN_CLUSTER,
    "reach-all": ("callers-on-lan", "turn", *IN_CLUSTER),
}
"""Namespaces, and the components of each."""

PODS: Final[Mapping[str, Mapping[str, str]]] = {
    **{f"{namespace}/bot": BOT for namespace in SITES},
    **{f"{namespace}/controller": CONTROLLER for namespace in ("reach", "reach-cluster")},
    "reach/standby": CONTROLLER,
    "reach/neighbour": {"app": "neighbour"},
    # In a namespace without policies, one of them with a bot's label.
    "monitoring/stranger": BOT,
    "monitoring/server": SERVES,
}
"""Labels of pods, by namespace and name."""

API_SERVERS: Final = {"tcp/10.250.0.1/443", f"tcp/{NODE_ADDRESS}/{API_SERVER_PORT}"}
"""The cluster's own: its Service, and where that leads."""

DNS: Final = {f"{protocol}/{DNS_ADDRESS}/53" for protocol in ("tcp", "udp")}
MAPPED: Final = {f"tcp/::ffff:{address}/443" for address in (API_SERVER, "169.254.169.254", "10.9.9.9")}
"""IPv4 in the form of IPv6."""

PATIENCE_SECONDS: Final = 60.0
"""Only a hang takes this long."""

DROPPED_SECONDS: Final = 3.5
"""Nothing comes any more after so long a silence: TCP has asked three times by then."""

AT_ONCE: Final = 3
"""Pods that try all targets at the same time. All of them would send packets faster than they are judged."""


UDP_TIMEOUTS: Final = [
    Path("/proc/sys/net/netfilter") / name
    for name in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream")
]


@dataclass(frozen=True)
class World:
    """Pods by `NAMESPACE/NAME`, what each of them has reached of all targets there are, and the kubelets."""

    pods: Mapping[str, Pod]
    reached: Mapping[str, set[str]]
    kubelets: set[str]

    @property
    def bots(self) -> list[str]:
        """Those that policies select, with each choice of components."""
        return [name for name in self.reached if name.endswith("/bot")]

    def reached_by(self, name: str) -> set[str]:
        """What a pod has reached beside itself, which no policy keeps it from."""
        return self.reached[name] - self.pods[name].everywhere

    def everywhere_in(self, names: Iterable[str]) -> set[str]:
        return {target for name in names for target in self.pods[name].everywhere}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(cluster: NodeCluster) -> AsyncIterator[World]:
    namespaces = (*SITES, "monitoring")
    async with addresses_elsewhere():
        await asyncio.gather(*(make_namespace(cluster, each) for each in namespaces))
        made = await asyncio.gather(*(make_pod(cluster, name, labels) for name, labels in PODS.items()))
        pods = dict(zip(PODS, made, strict=True))
        kubelets = {f"tcp/{NODE_ADDRESS}/{each.kubelet_port}" for each in cluster.workers}
        targets = everywhere(API_SERVER, NODE_LOCAL_DNS, *NODES, *INTERNET, *LAN, *METADATA)
        targets |= kubelets | API_SERVERS | DNS | MAPPED
        targets |= {target for pod in pods.values() for target in pod.everywhere}
        with udp_flows_soon_forgotten():
            unguarded = await tried([pods["reach/bot"], pods["reach/controller"]], targets, PATIENCE_SECONDS)
        assert unguarded == [targets, targets], "without policies every target answers"
        await asyncio.gather(*(install_policies(cluster, each, chosen) for each, chosen in SITES.items()))
        guarded = [name for name in pods if not name.startswith("monitoring/")]
        await asyncio.gather(*(until_enforced(pods[name]) for name in guarded))
        reached = await tried(pods.values(), targets, DROPPED_SECONDS)
    yield World(pods, dict(zip(pods, reached, strict=True)), kubelets)
    for namespace in namespaces:
        await cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@contextlib.contextmanager
def udp_flows_soon_forgotten() -> Iterator[None]:
    """Have the kernel forget a flow of UDP a second after its last packet, instead of two minutes.

    A socket that happens to get the port of an earlier one would belong to its flow, which nobody judges.
    """
    before = {path: path.read_text() for path in UDP_TIMEOUTS}
    for path in before:
        path.write_text("1")
    try:
        yield
    finally:
        for path, seconds in before.items():
            path.write_text(seconds)


async def tried(pods: Iterable[Pod], targets: set[str], patience: float) -> list[set[str]]:
    """Let each pod try every target; what each has reached."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def by(pod: Pod) -> set[str]:
        async with limit:
            return await pod.reaches(targets, patience=patience)

    return await asyncio.gather(*(by(pod) for pod in pods))


async def until_enforced(pod: Pod) -> None:
    """Wait until the policies that have been applied hold for a pod.

    It does not reach what none of them allows, and that was no delay: names, asked for later, answer.
    """
    forbidden = f"tcp/{METADATA[0]}/80"
    asked_later = set() if pod.name == "neighbour" else DNS
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await pod.reaches([forbidden, *asked_later], patience=DROPPED_SECONDS / 2) != asked_later:
            pass


async def test_a_bot_never_reaches_a_metadata_service(world: World) -> None:
    for bot in world.bots:
        assert not world.reached_by(bot) & (everywhere(*METADATA) | MAPPED), bot


async def test_a_bot_never_reaches_the_api_server(world: World) -> None:
    for bot in world.bots:
        assert not world.reached_by(bot) & (everywhere(API_SERVER) | API_SERVERS), bot


async def test_a_bot_never_reaches_nodes_and_their_kubelets(world: World) -> None:
    for bot in world.bots:
        assert not world.reached_by(bot) & (everywhere(*NODES) | world.kubelets), bot


async def test_a_bot_never_reaches_another_pod(world: World) -> None:
    """Neither another bot, nor what else is in its own and in other namespaces, over IPv4 and IPv6."""
    others = world.everywhere_in([*world.bots, "reach/neighbour", "monitoring/stranger"])

    for bot in world.bots:
        assert not world.reached_by(bot) & others, bot


async def test_a_bot_reaches_its_own_controller_at_the_bots_port_alone(world: World) -> None:
    for bot in world.bots:
        for controller in ("reach/controller", "reach-cluster/controller"):
            found = world.pods[controller]
            is_own = bot.partition("/")[0] == controller.partition("/")[0]
            assert world.reached[bot] & found.everywhere == (found.at("bots") if is_own else set())


async def test_a_bot_reaches_names_and_the_internet_for_https_and_voice(world: World) -> None:
    for bot in world.bots:
        assert world.reached[bot] >= DNS, bot
        for address in INTERNET:
            open_there = {f"tcp/{address}/{port}" for port in (443, 3478, 7881)}
            open_there |= {f"udp/{address}/{port}" for port in (443, 3478, 40000, 50000)}
            assert world.reached[bot] & everywhere(address) == open_there, bot


async def test_private_addresses_are_reached_by_components_only(world: World) -> None:
    in_reach = {bot: world.reached[bot] & everywhere(*LAN) for bot in world.bots}

    voice = {f"udp/{address}/{port}" for address in LAN for port in (3478, 40000, 50000)}
    relayed = {f"udp/{address}/{port}" for address in LAN for port in (3478, 50000)}
    relayed |= {f"tcp/{address}/3478" for address in LAN}
    assert in_reach == {
        "reach/bot": set(),
        "reach-lan/bot": voice,
        "reach-turn/bot": relayed,
        "reach-cluster/bot": set(),
        "reach-all/bot": voice | relayed,
    }


async def test_what_serves_bots_in_the_cluster_is_reached_by_components_only(world: World) -> None:
    server = world.pods["monitoring/server"]
    in_reach = {bot: world.reached[bot] & server.everywhere for bot in world.bots}

    served = server.at("signal", "rtc-tcp", "rtc-udp", "model", "store", "traces")
    assert in_reach == {
        "reach/bot": set(),
        "reach-lan/bot": set(),
        "reach-turn/bot": server.at("turn"),
        "reach-cluster/bot": served,
        "reach-all/bot": served | server.at("turn"),
    }


async def test_dns_on_the_node_is_reached_by_its_component_only(world: World) -> None:
    in_reach = {bot for bot in world.bots if world.reached[bot] & everywhere(NODE_LOCAL_DNS)}

    assert in_reach == {"reach-cluster/bot", "reach-all/bot"}
    for bot in in_reach:
        assert world.reached[bot] & everywhere(NODE_LOCAL_DNS) == {
            f"{protocol}/{NODE_LOCAL_DNS}/53" for protocol in ("tcp", "udp")
        }


async def test_the_controller_reaches_its_api_server_its_standby_and_nothing_else(world: World) -> None:
    named = {f"tcp/{address}/443" for address in (API_SERVER, f"::ffff:{API_SERVER}")}

    assert world.reached_by("reach/controller") == {
        f"tcp/{API_SERVER}/6443",
        *named,
        *API_SERVERS,
        *DNS,
        *world.pods["reach/standby"].at("replicas"),
    }


async def test_the_port_between_controllers_is_reached_by_those_of_its_namespace_alone(world: World) -> None:
    leader, standby = world.pods["reach/controller"], world.pods["reach/standby"]
    reaching = {
        name
        for name in set(world.reached) - {"reach/controller", "reach/standby"}
        if world.reached_by(name) & (leader.at("replicas") | standby.at("replicas"))
    }

    assert world.reached_by("reach/standby") & leader.everywhere == leader.at("replicas")
    assert world.reached_by("reach/controller") & standby.everywhere == standby.at("replicas")
    assert reaching == set()


async def test_the_controller_reaches_what_components_open_to_it(world: World) -> None:
    server = world.pods["monitoring/server"]

    opened = world.reached_by("reach-cluster/controller") - world.reached_by("reach/controller")

    assert opened == {
        *(f"tcp/{address}/443" for address in INTERNET),
        *(f"{protocol}/{NODE_LOCAL_DNS}/53" for protocol in ("tcp", "udp")),
        *server.at("signal", "rtc-tcp", "rtc-udp", "traces"),
    }


async def test_metrics_are_read_from_the_monitoring_namespace_by_a_component_only(world: World) -> None:
    with_component, without = world.pods["reach-cluster/controller"], world.pods["reach/controller"]

    reached = world.reached["monitoring/stranger"] & (with_component.everywhere | without.everywhere)

    assert reached == with_component.at("http", "metrics") | without.at("http")
    for name in set(world.reached) - {"monitoring/stranger", "monitoring/server"}:
        assert not world.reached_by(name) & with_component.at("metrics"), name


async def test_a_pod_with_another_label_reaches_nobody_and_is_not_reached(world: World) -> None:
    assert world.reached_by("reach/neighbour") == set()
    for name in world.reached:
        assert not world.reached_by(name) & world.pods["reach/neighbour"].everywhere, name


async def test_nobody_reaches_a_bot(world: World) -> None:
    bots = world.everywhere_in(world.bots)

    for name in world.reached:
        assert not world.reached_by(name) & bots, name
