"""The NetworkPolicies in deploy/, and what they let a pod reach, as Kubernetes defines it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
PRODUCTION: Final = DEPLOY / "overlays" / "production"
COMPONENTS: Final = sorted(path.parent.name for path in DEPLOY.glob("components/*/network-policy.yaml"))

Policy = dict[str, Any]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Target:
    """Where a packet goes: to an address, or to a pod."""

    address: str
    port: int
    protocol: str = "TCP"
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None
    port_name: str = ""


@functools.cache
def network(text: str) -> Network:
    return ip_network(text)


def policies_of(path: Path) -> list[Policy]:
    """A file's, for the caller to change."""
    return copy.deepcopy(_read(path))


@functools.cache
def _read(path: Path) -> list[Policy]:
    found = [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]
    return [each for each in found if each["kind"] == "NetworkPolicy"]


def production(components: Iterable[str], blocked: Iterable[str] = ()) -> list[Policy]:
    """The production overlay's, with these components and with addresses that an operator has named."""
    policies = policies_of(DEPLOY / "base" / "network-policies.yaml")
    for name in components:
        policies += policies_of(DEPLOY / "components" / name / "network-policy.yaml")
    [api_server] = policies_of(PRODUCTION / "api-server.yaml")
    for policy in policies:
        if policy["metadata"]["name"] == api_server["metadata"]["name"]:
            policy["spec"].update(api_server["spec"])
        for address in (*placeholders(), *blocked) if opens_addresses(policy) else ():
            block(policy, 0 if network(address).version == 4 else 1)["except"].append(address)
    return policies + policies_of(PRODUCTION / "default-deny.yaml")


def placeholders() -> list[str]:
    """The addresses that production's patch names until an operator has."""
    return [each["value"] for each in _read_patch()]


@functools.cache
def _read_patch() -> list[dict[str, str]]:
    patch: list[dict[str, str]] = yaml.safe_load((PRODUCTION / "blocked-addresses.yaml").read_text())
    return patch


def opens_addresses(policy: Policy) -> bool:
    """Whether production's patch reaches it."""
    labels: dict[str, str] = policy["metadata"].get("labels", {})
    return labels.get("podline.dev/opens") == "addresses"


def block(policy: Policy, family: int) -> dict[str, Any]:
    found: dict[str, Any] = policy["spec"]["egress"][0]["to"][family]["ipBlock"]
    return found


def blocks(policy: Policy) -> list[dict[str, Any]]:
    """All ranges of addresses that it opens."""
    rules = policy["spec"].get("egress", [])
    return [peer["ipBlock"] for rule in rules for peer in rule.get("to", []) if "ipBlock" in peer]


def reaches(policies: Iterable[Policy], labels: Mapping[str, str], target: Target) -> bool:
    """Whether a pod with these labels may send a packet there."""
    selecting = [
        each
        for each in policies
        if "Egress" in each["spec"]["policyTypes"] and selects(each["spec"]["podSelector"], labels)
    ]
    rules = [rule for each in selecting for rule in each["spec"].get("egress", [])]
    return not selecting or any(_allows(rule, target) for rule in rules)


def admits(policies: Iterable[Policy], labels: Mapping[str, str], source: Target, port_name: str) -> bool:
    """Whether a pod with these labels is reached from there at a TCP port of this name."""
    rules = [
        rule
        for each in policies
        if "Ingress" in each["spec"]["policyTypes"] and selects(each["spec"]["podSelector"], labels)
        for rule in each["spec"].get("ingress", [])
    ]
    has_port = [
        rule
        for rule in rules
        if "ports" not in rule or {"port": port_name, "protocol": "TCP"} in rule["ports"]
    ]
    return any(
        "from" not in rule or any(_is_peer(each, source) for each in rule["from"]) for rule in has_port
    )


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    expressions = selector.get("matchExpressions", [])
    assert {each["operator"] for each in expressions} <= {"In"}
    return wanted <= labels.items() and all(labels.get(each["key"]) in each["values"] for each in expressions)


def _allows(rule: Mapping[str, Any], target: Target) -> bool:
    has_port = "ports" not in rule or any(_is_port(each, target) for each in rule["ports"])
    return has_port and ("to" not in rule or any(_is_peer(each, target) for each in rule["to"]))


def _is_port(port: Mapping[str, Any], target: Target) -> bool:
    if port["protocol"] != target.protocol:
        return False
    if isinstance(port["port"], str):
        return bool(port["port"] == target.port_name)
    return bool(port["port"] <= target.port <= port.get("endPort", port["port"]))


def _is_peer(peer: Mapping[str, Any], target: Target) -> bool:
    if "ipBlock" in peer:
        address, found = ip_address(target.address), peer["ipBlock"]
        inside = address in network(found["cidr"])
        return inside and not any(address in network(each) for each in found.get("except", []))
    if target.namespace is None:
        return False
    names = {"kubernetes.io/metadata.name": target.namespace}
    in_namespace = (
        selects(peer["namespaceSelector"], names)
        if "namespaceSelector" in peer
        else target.namespace == "podline"
    )
    return in_namespace and selects(peer.get("podSelector", {}), target.labels)
