"""NetworkPolicies are enforced on the test nodes, on real packets, by sigs.k8s.io/kube-network-policies.

Its own rule hands packets to a netfilter queue by an expression of nftables that some kernels lack. Here
iptables hands over the same packets: the first of each flow, except what nodes' own root processes send. And
those for the nodes' own addresses as well, where kubelets and the API server listen: the enforcer itself does
not look at these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testing.cluster.commands import Command
from testing.node.worker import BRIDGE, PODS, PODS_V6, run

PROGRAM: Final = "network-policies"
QUEUE: Final = 100
QUEUES: Final = Path("/proc/net/netfilter/nfnetlink_queue")
"""The queues that a program listens at, the number first."""

CHAIN: Final = "POLICIES"


def enforcer(program: Path, kubeconfig: Path, node: str) -> Command:
    """The command line of the program that judges."""
    return [program, f"--kubeconfig={kubeconfig}", f"--nfqueue-id={QUEUE}", f"--hostname-override={node}"]


async def judges() -> bool:
    """Whether the enforcer listens at its queue; until the first does, a kernel may have no list of them."""
    return QUEUES.exists() and any(line.split()[0] == str(QUEUE) for line in QUEUES.read_text().splitlines())


async def hand_packets_over() -> None:
    """Queue what pods send and receive; while nobody judges it, it is dropped."""
    for program, pods in (("iptables", PODS), ("ip6tables", PODS_V6)):
        for rule in rules(pods):
            await run([program, "--wait", "--table", "mangle", *rule.split()])


def rules(pods: str) -> list[str]:
    """In the order in which they are looked at."""
    return [
        f"--new-chain {CHAIN}",
        f"--append {CHAIN} --match conntrack --ctstate ESTABLISHED,RELATED --jump RETURN",
        # How neighbours are found, in IPv6.
        f"--append {CHAIN} --protocol ipv6-icmp --jump RETURN",
        f"--append {CHAIN} --jump NFQUEUE --queue-num {QUEUE}",
        f"--append INPUT --in-interface {BRIDGE} --source {pods} --jump {CHAIN}",
        # As on any node: what root sends from there is let in, such as a kubelet's probes.
        "--append POSTROUTING --match owner --uid-owner 0 --jump RETURN",
        f"--append POSTROUTING --source {pods} --jump {CHAIN}",
        f"--append POSTROUTING --destination {pods} --jump {CHAIN}",
    ]
