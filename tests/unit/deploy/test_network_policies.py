"""What the NetworkPolicies in deploy/ open, by Kubernetes' rules; tests/attacks/node tries it with packets.

Policies only add to each other: what all components together leave closed, each choice of them does.
"""

from __future__ import annotations

import random
import re
from ipaddress import ip_address, ip_network
from typing import Final

import pytest
import yaml

from tests.unit.deploy.policies import (
    COMPONENTS,
    DEPLOY,
    PRODUCTION,
    Policy,
    Target,
    admits,
    block,
    blocks,
    opens_addresses,
    placeholders,
    policies_of,
    production,
    reaches,
)

BOT: Final = {"app.kubernetes.io/name": "podline-bot"}
CONTROLLER: Final = {"app.kubernetes.io/name": "podline-controller"}

API_SERVERS: Final = ("198.51.100.10/32", "2001:db8:1::10/128")
NODES: Final = ("203.0.113.64/26", "10.240.0.0/16", "fd77::/64")
NAMED: Final = (*API_SERVERS, *NODES)
"""As an operator names them."""

ALWAYS: Final = (
    *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24"),
    *("168.63.129.16/32", "100.100.100.200/32", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2002::/16"),
    *("fe80::/10", "fec0::/10", "ff00::/8"),
    *("fd00:42::42/128", "fd00:a9fe:a9fe::/48", "fd00:ec2::/32", "fd20:ce::/32"),
)
"""Blocked whatever is chosen."""

PRIVATE: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "198.18.0.0/15",
    "fc00::/7",
)
PUBLIC: Final = ("8.8.8.8", "203.0.113.9", "198.51.100.9", "100.63.255.255", "172.32.0.1", "2606:4700::1")
METADATA: Final = ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
NODE_LOCAL_DNS: Final = "169.254.20.10"
PORTS: Final = (22, 25, 53, 80, 443, 1024, 3478, 5349, 6443, 7881, 10250, 30000, 49152, 65535)
PLACES: Final = [(port, protocol) for port in PORTS for protocol in ("TCP", "UDP")]


def some_of(network: str) -> list[str]:
    """Both its ends, and some between them."""
    found = ip_network(network)
    rng = random.Random(network)  # noqa: S311 - which ones matters little
    inside = [found[rng.randrange(found.num_addresses)] for _ in range(5)]
    return [str(each) for each in (found[0], found[-1], *inside)]


def open_ports(policies: list[Policy], labels: dict[str, str], address: str) -> set[tuple[int, str]]:
    return {
        (port, protocol)
        for port, protocol in PLACES
        if reaches(policies, labels, Target(address, port, protocol))
    }


@pytest.mark.parametrize("network", [*ALWAYS, *NAMED])
def test_no_component_lets_a_bot_reach_what_is_always_blocked(network: str) -> None:
    policies = production(COMPONENTS, NAMED)

    for address in some_of(network):
        opened = open_ports(policies, BOT, address)
        assert opened == ({(53, "TCP"), (53, "UDP")} if address == NODE_LOCAL_DNS else set()), address


@pytest.mark.parametrize("address", METADATA)
def test_no_component_lets_bot_or_controller_reach_a_metadata_service(address: str) -> None:
    for labels in (BOT, CONTROLLER):
        assert open_ports(production(COMPONENTS), labels, address) == set()


@pytest.mark.parametrize("network", PRIVATE)
def test_private_ranges_are_closed_to_a_bot_without_components(network: str) -> None:
    for address in some_of(network):
        assert open_ports(production(()), BOT, address) == set(), address


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_open_to_a_bot_for_https_and_voice(address: str) -> None:
    opened = open_ports(production(()), BOT, address)

    assert {port for port, protocol in opened if protocol == "TCP"} == {443, 3478, 5349, 7881}
    assert {port for port, protocol in opened if protocol == "UDP"} == {443} | {
        port for port in PORTS if port >= 1024
    }


@pytest.mark.parametrize("address", ["10.9.9.9", "172.20.0.1", "192.168.1.20", "100.70.1.1", "fd12::9"])
def test_voice_goes_to_private_ranges_by_two_components_only(address: str) -> None:
    opened = {name: open_ports(production([name]), BOT, address) for name in COMPONENTS}

    high = {(port, "UDP") for port in PORTS if port >= 1024}
    relayed = {(port, "UDP") for port in PORTS if port >= 49152 or port == 3478}
    assert {name: ports for name, ports in opened.items() if ports} == {
        "callers-on-lan": high,
        "turn": relayed | {(3478, "TCP"), (5349, "TCP")},
    }


@pytest.mark.parametrize(
    ("what", "component", "port_name"),
    [
        ("rooms", "rooms-in-cluster", "signal"),
        ("model", "model-in-cluster", "model"),
        ("store", "store-in-cluster", "store"),
    ],
)
def test_a_pod_is_reached_by_its_label_its_port_and_the_component_together(
    what: str, component: str, port_name: str
) -> None:
    labels = {f"podline.dev/serves-{what}": "true"}
    target = Target("10.244.1.9", 9999, "TCP", labels, "shop", port_name)
    others = [name for name in COMPONENTS if name != component]

    assert reaches(production([component]), BOT, target)
    assert not reaches(production(others), BOT, target)
    assert not reaches(
        production(COMPONENTS), BOT, Target("10.244.1.9", 9999, "TCP", labels, "shop", "admin")
    )
    assert not reaches(production(COMPONENTS), BOT, Target("10.244.1.9", 9999, "TCP", {}, "shop", port_name))


def test_the_controller_reaches_the_api_server_and_by_components_the_internet() -> None:
    [policy] = policies_of(PRODUCTION / "api-server.yaml")
    [api_server] = [ip_network(each["cidr"]) for each in blocks(policy)]

    assert open_ports(production(()), CONTROLLER, str(api_server[0])) == {(443, "TCP"), (6443, "TCP")}
    for address in (*PUBLIC, "10.9.9.9"):
        opened = {name for name in COMPONENTS if open_ports(production([name]), CONTROLLER, address)}
        assert opened == ({"rooms-on-internet", "model-tokens"} if address in PUBLIC else set())


REPLICAS: Final = 7862


@pytest.mark.parametrize("components", [(), tuple(COMPONENTS)], ids=["none", "all"])
def test_controllers_of_a_namespace_reach_each_other_at_one_port_in_both_directions(
    components: tuple[str, ...],
) -> None:
    policies = production(components)
    own = Target("10.244.1.9", REPLICAS, "TCP", CONTROLLER, "podline", "replicas")
    elsewhere = Target("10.244.1.9", REPLICAS, "TCP", CONTROLLER, "shop", "replicas")
    other_port = Target("10.244.1.9", 7861, "TCP", CONTROLLER, "podline", "bots")

    assert reaches(policies, CONTROLLER, own)
    assert admits(policies, CONTROLLER, own, "replicas")
    assert not reaches(policies, CONTROLLER, elsewhere)
    assert not admits(policies, CONTROLLER, elsewhere, "replicas")
    assert not reaches(policies, CONTROLLER, other_port)
    # The Lease may name any address at this port: none but a controller's is reached.
    for address in (*PUBLIC, "10.9.9.9"):
        assert not reaches(policies, CONTROLLER, Target(address, REPLICAS))


@pytest.mark.parametrize(
    ("labels", "namespace"),
    [(BOT, "podline"), ({"app": "other"}, "podline"), ({}, "monitoring"), ({}, None)],
    ids=["a bot", "a neighbour", "Prometheus", "the internet"],
)
def test_nobody_but_a_controller_reaches_the_port_between_controllers(
    labels: dict[str, str], namespace: str | None
) -> None:
    policies = production(COMPONENTS)
    source = Target("10.244.1.8", 0, "TCP", labels, namespace)

    assert not admits(policies, CONTROLLER, source, "replicas")
    if labels == BOT:
        assert not reaches(
            policies, BOT, Target("10.244.1.9", REPLICAS, "TCP", CONTROLLER, "podline", "replicas")
        )


def test_a_pod_with_another_label_reaches_nobody_in_production() -> None:
    assert open_ports(production(COMPONENTS), {"app": "other"}, "8.8.8.8") == set()


@pytest.mark.parametrize("component", ["", *COMPONENTS])
def test_production_s_patch_reaches_every_range_of_addresses(component: str) -> None:
    """It adds to two lists of each policy with the label, which every policy that opens ranges has."""
    path = f"components/{component}/network-policy.yaml" if component else "base/network-policies.yaml"
    for policy in policies_of(DEPLOY / path):
        if policy["metadata"]["name"] == "podline-controller-to-api-server":
            # Production replaces it whole.
            continue
        ranges = [each for each in blocks(policy) if ip_network(each["cidr"]).num_addresses > 1]
        assert opens_addresses(policy) == bool(ranges)
        if ranges:
            assert ranges == [block(policy, 0), block(policy, 1)]
            assert [each["cidr"] for each in ranges] == ["0.0.0.0/0", "::/0"]


def test_every_range_of_addresses_repeats_what_is_always_blocked() -> None:
    for policy in production(COMPONENTS):
        excepted = [each for found in blocks(policy) for each in found.get("except", [])]
        assert not excepted or set(ALWAYS) <= set(excepted), policy["metadata"]["name"]
        for found in blocks(policy):
            for each in found.get("except", []):
                inner, outer = ip_network(each), ip_network(found["cidr"])
                # The API server takes no other exception.
                assert inner.version == outer.version
                assert inner.prefixlen > outer.prefixlen
                assert getattr(ip_address(str(inner[0])), "ipv4_mapped", None) is None


def test_the_api_server_s_address_is_named_where_it_is_opened_and_where_it_is_blocked() -> None:
    [policy] = policies_of(PRODUCTION / "api-server.yaml")

    assert {each["cidr"] for each in blocks(policy)} <= set(placeholders())


def test_each_component_names_its_policy_and_is_documented() -> None:
    page = (DEPLOY.parent / "docs" / "network.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))

    assert set(COMPONENTS) <= documented
    for name in COMPONENTS:
        text = (DEPLOY / "components" / name / "kustomization.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["resources"] == ["network-policy.yaml"]


@pytest.mark.parametrize("agent", ["shopping", "clerk"])
def test_nothing_can_connect_to_a_bot_of_any_agent_whatever_is_chosen(agent: str) -> None:
    """So no bot of another agent can either; an ingress without peers would admit everybody."""
    bot = {**BOT, "podline.dev/agent": agent}
    overlays = [
        each for path in DEPLOY.glob("overlays/*/network-policies.yaml") for each in policies_of(path)
    ]
    selecting = [
        policy["spec"]
        for policy in [*production(COMPONENTS), *overlays]
        if policy["spec"].get("podSelector", {}).get("matchLabels", {}).items() <= bot.items()
    ]

    assert any("Ingress" in spec["policyTypes"] for spec in selecting)
    assert [spec["ingress"] for spec in selecting if spec.get("ingress")] == []
