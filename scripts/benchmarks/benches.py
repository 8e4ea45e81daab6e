"""The benches: what each measures, how much of it, how long that takes, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bench:
    """One bench.

    Attributes:
        name: What people type.
        module: Has `measure(run)` and `table(results)`.
        measures: In a few words.
        count: How many are measured.
        unit: Of what.
        small: How many show that it works.
        minutes: How long it takes on two cores, about.
        needs: What a machine must have; empty if every one has it.
        subject: What it is about, for a bench that takes such an argument.
        default_subject: If none is given; None if one must be.
        is_in_nodes: True if it runs in namespaces of its own, as root.
        is_random: True if it draws by chance, from a seed.
        options: Names of numbers that only this bench takes.
        page: Where its results are documented.
    """

    name: str
    module: str
    measures: str
    count: int
    unit: str
    small: int
    minutes: float
    needs: str = ""
    subject: str = ""
    default_subject: str | None = None
    is_in_nodes: bool = False
    is_random: bool = False
    options: tuple[str, ...] = ()
    page: str = "benchmarks.md"


BENCHES: Final = (
    Bench("call", "calls.call", "a call, beside a bare Pipecat pipeline", 8, "calls of each", 1, 4),
    Bench("load", "calls.load", "calls at one time, until callers hear gaps", 8, "calls at most", 1, 2),
    Bench(
        "runner", "calls.runner", "our runner, beside Pipecat's and a bare host", 4, "calls of each", 1, 4.5
    ),
    Bench("call-cost", "calls.cost", "what a call takes, beside a bare pipeline", 3, "pairs of each", 1, 10),
    Bench("rooms", "calls.rooms", "a LiveKit room, beside SmallWebRTC", 6, "calls of each", 1, 3, "Go"),
    Bench("observing", "observing.figures", "what observers cost a bot", 5, "pairs of calls", 1, 3.5),
    Bench("starts", "controllers.starts", "starts a second, beside spawned processes", 5, "rounds", 1, 0.5),
    Bench(
        "warm",
        "warm.figures",
        "warm bots: starts, beside cold ones; claims",
        20,
        "calls of each",
        5,
        7,
        "Go",
        options=("pool", "listed"),
    ),
    Bench("metrics", "controllers.metrics", "what metrics cost the controller", 60, "rounds", 2, 0.5),
    Bench("cluster", "cluster.figures", "sessions in a cluster", 10_000, "sessions", 20, 6, "Go"),
    Bench("replicas", "cluster.replicas", "take-overs and standby", 10_000, "sessions", 20, 5, "Go"),
    Bench(
        "node",
        "node.figures",
        "a pod's start, beside a bare Job's",
        8,
        "starts of each",
        1,
        4,
        "root, and what scripts/test node installs",
        is_in_nodes=True,
    ),
    Bench("fuzz", "fuzz.figures", "hostile inputs of six kinds", 180_000, "inputs", 600, 3, is_random=True),
    Bench(
        "never-mute",
        "never_mute.figures",
        "calls with one random fault each",
        30,
        "calls",
        2,
        3.5,
        is_random=True,
    ),
    Bench(
        "faults",
        "faults.figures",
        "calls while controllers, cluster and nodes fail",
        10,
        "minutes",
        2,
        14,
        "Go",
        is_random=True,
        options=("live", "listed", "rate", "replicas"),
        page="faults.md",
    ),
    Bench(
        "against",
        "controllers.against",
        "this checkout, beside another revision",
        5,
        "rounds",
        1,
        4,
        subject="REVISION",
        default_subject="HEAD~1",
    ),
    Bench(
        "examples",
        "calls.examples",
        "Pipecat's own examples, unchanged",
        10,
        "examples",
        1,
        4,
        "a checkout of Pipecat's repository",
        subject="CHECKOUT",
    ),
)

OF_ALL: Final = tuple(bench for bench in BENCHES if not bench.subject)
"""Those that `all` runs. The others are about something that must be named."""


def bench_named(name: str) -> Bench | None:
    """Return the bench with this name; None if there is none."""
    return next((bench for bench in BENCHES if bench.name == name), None)
