"""What an operator may find, and which alerts report it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Situation:
    """Series over time in promtool's notation, and what one alert makes of them.

    Attributes:
        alert: its name.
        what: the situation, in words.
        series: each with its values, one for each step.
        at: when to look.
        says: the alert's description; None where it has to be silent.
        labels: the alert's labels, beside its severity.
        step: between two values.
    """

    alert: str
    what: str
    series: dict[str, str]
    at: str
    says: str | None = None
    labels: dict[str, str] = field(default_factory=lambda: {"namespace": "voice"})
    step: str = "1m"


def ends(phase: str, reason: str) -> str:
    return f'podline_session_ends_total{{namespace="voice",phase="{phase}",reason="{reason}"}}'


def refusals(code: str) -> str:
    return f'podline_session_refusals_total{{namespace="voice",code="{code}"}}'


def batches(outcome: str) -> str:
    return f'podline_report_batches_total{{namespace="voice",outcome="{outcome}"}}'


def unanswered(cause: str) -> str:
    return f'podline_turns_unanswered_total{{namespace="voice",cause="{cause}"}}'


CRASHED = ends("failed", "crashed")
RUNNING = 'podline_sessions_running{namespace="voice"}'
CAPACITY = 'podline_sessions_capacity{namespace="voice"}'
LOWERED = 'podline_limit_lowered{namespace="voice",limit="model_key",name="shopping"}'
INVALID = 'podline_agent_definition_invalid{namespace="voice",agent="shop"}'
VALID = 'podline_agent_definition_invalid{namespace="voice",agent="shopping"}'
NOT_LOWERED = 'podline_limit_lowered{namespace="voice",limit="room_provider",name="daily"}'
READY = 'podline_ready{namespace="voice"}'
WATCH = 'podline_kubernetes_watch_age_seconds{namespace="voice",resource="jobs"}'
PARTIAL = 'podline_sessions_partial_usage_total{namespace="voice"}'
PENDING = 'podline_kubernetes_writes_pending{namespace="voice"}'
COST = 'podline_cost_total{namespace="voice",agent="a",service="b",model="gemini",currency="USD"}'
TURNS = 'podline_turns_total{namespace="voice"}'
STARTS = 'podline_session_starts_total{namespace="voice"}'
UNPRICED = 'podline_unpriced_tokens_total{namespace="voice",service="other",model="gemini"}'
UNPRICED_SPEECH = 'podline_unpriced_synthesized_characters_total{namespace="voice",service="a",model="voice"}'


def after_ends(alert: str, reason: str, says: str) -> list[Situation]:
    """Of an alert on sessions that end for one reason."""
    return [
        Situation(
            alert, f"two sessions ended as {reason}", {ends("failed", reason): "0x5 2x10"}, "10m", says
        ),
        Situation(
            alert,
            f"sessions ended as {reason} long ago, and others now",
            {ends("failed", reason): "0 7x60", CRASHED: "0+1x60"},
            "50m",
        ),
    ]


CAUSES = [
    Situation(
        "PodlineAbsent",
        "nothing is scraped",
        {},
        "10m",
        "Prometheus has had no metrics of a controller for 5 minutes; no other alert can fire.",
        labels={},
    ),
    Situation("PodlineAbsent", "a controller is not ready", {READY: "0x20"}, "10m"),
    Situation(
        "PodlineNotReady",
        "for minutes",
        {READY: "1 0x10"},
        "5m",
        "The controller has refused starts for 2 minutes; /readyz says why.",
    ),
    Situation("PodlineNotReady", "for a moment", {READY: "1 0 1x10"}, "5m"),
    Situation(
        "PodlineWatchStale",
        "the watch of jobs is silent",
        {WATCH: "10 70+60x10"},
        "5m",
        "The watch of jobs has been silent for 5m 10s; it is renewed every 45 s.",
        labels={"namespace": "voice", "resource": "jobs"},
    ),
    Situation("PodlineWatchStale", "it is renewed each time", {WATCH: "0 15 30 45 0 15 30 45 0 15 30"}, "8m"),
    *after_ends(
        "PodlineModelRefused",
        "model_refused",
        "2 calls in 15 minutes. The model did not accept the key or the setup; the message of "
        "each session quotes it.",
    ),
    Situation(
        "PodlineCallersWait",
        "one answer in ten was missing, for different causes",
        {
            TURNS: "0+9x30",
            STARTS: "0+1x30",
            unanswered("empty_turn"): "0+0.5x30",
            unanswered("connection_lost"): "0+0.5x30",
        },
        "20m",
        "15 times in 15 minutes a caller was owed an answer and had not heard it, more than one in 20 "
        "answers.",
    ),
    Situation(
        "PodlineCallersWait",
        "no greeting is heard, so that nobody says anything",
        {TURNS: "0x20", STARTS: "0x5 2x15", unanswered("inaudible"): "0x5 6x15"},
        "10m",
        "6 times in 15 minutes a caller was owed an answer and had not heard it, more than one in 20 "
        "answers.",
    ),
    Situation(
        "PodlineCallersWait",
        "two in a hundred were missing, for hours",
        {TURNS: "0+45x200", STARTS: "0+5x200", unanswered("no_answer"): "0+1x200"},
        "180m",
    ),
    Situation(
        "PodlineCallersWait",
        "the model failed one caller at night, again and again until the call ended",
        {TURNS: "0x5 2x15", STARTS: "0x5 1x15", unanswered("empty_turn"): "0x5 3x15"},
        "10m",
    ),
    *after_ends(
        "PodlineImagePull",
        "image_pull",
        "2 calls in 15 minutes. The message of each session quotes the registry.",
    ),
    *after_ends(
        "PodlineUnschedulable",
        "unschedulable",
        "2 calls in 15 minutes. The message of each session quotes the scheduler.",
    ),
    Situation(
        "PodlineCapacity",
        "19 of 20 sessions run for 10 minutes",
        {RUNNING: "19x20", CAPACITY: "20x20"},
        "12m",
        "95% of it is in use; at 100 % calls are refused.",
    ),
    Situation("PodlineCapacity", "18 of 20", {RUNNING: "18x20", CAPACITY: "20x20"}, "15m"),
    Situation("PodlineCapacity", "all, for a moment", {RUNNING: "20x5 9x20", CAPACITY: "20x25"}, "12m"),
    Situation(
        "PodlineLimitLowered",
        "a model's quota is used up",
        {LOWERED: "0x5 1x10", NOT_LOWERED: "0x15"},
        "12m",
        "The limit model_key of shopping has been lowered for 5 minutes because its provider answers that a "
        "quota or a rate is used up.",
        labels={"namespace": "voice", "limit": "model_key", "name": "shopping"},
    ),
    Situation("PodlineLimitLowered", "for a moment", {LOWERED: "0x5 1x3 0x10", NOT_LOWERED: "0x18"}, "9m"),
    Situation(
        "PodlineRoomsUnavailable",
        "three starts found no room",
        {refusals("rooms_unavailable"): "0x5 3x10"},
        "8m",
        "3 starts in 10 minutes were refused because no room could be created.",
    ),
    Situation(
        "PodlineRoomsUnavailable",
        "one did, and others found no capacity",
        {refusals("rooms_unavailable"): "0x5 1x10", refusals("capacity_reached"): "0x5 9x10"},
        "8m",
    ),
    Situation(
        "PodlineReportsLost",
        "a bot left no final report",
        {PARTIAL: "0x5 1x10"},
        "10m",
        "1 sessions in an hour left no final report: they may have used more than was recorded.",
    ),
    Situation("PodlineReportsLost", "one did, hours ago", {PARTIAL: "0x5 1x200"}, "180m"),
    Situation(
        "PodlineReportsRefused",
        "one in fifty",
        {batches("refused"): "0+1x60", batches("added"): "0+49x60"},
        "55m",
        "2% of report batches were refused and changed no figure.",
    ),
    Situation(
        "PodlineReportsRefused",
        "many are sent again, and few refused",
        {batches("refused"): "0+1x60", batches("added"): "0+400x60", batches("repeated"): "0+100x60"},
        "55m",
    ),
    Situation(
        "PodlineAgentInvalid",
        "for longer than it takes to correct a typo",
        {INVALID: "0x5 1x10", VALID: "0x15"},
        "12m",
        "The definition of shop can't be used, so its last valid version stays active; GET /v1/agents names "
        "file, key and remedy.",
        labels={"namespace": "voice", "agent": "shop"},
    ),
    Situation("PodlineAgentInvalid", "for a moment", {INVALID: "0x5 1x3 0x10", VALID: "0x18"}, "9m"),
    Situation(
        "PodlineRecordsUnwritten",
        "the API server takes none",
        {PENDING: "0 3x20"},
        "15m",
        "At least 3 records have been waiting for 10 minutes to be written to their Jobs; the controller's "
        "log says why.",
    ),
    Situation(
        "PodlineRecordsUnwritten", "they come and go", {PENDING: "3 0 5 0 2 0 9 0 1 0 4 0 1 0 2 0"}, "14m"
    ),
    Situation(
        "PodlineCost",
        "an hour cost 60",
        {COST: "0+1x90"},
        "80m",
        "60.00 USD spent on models in an hour, more than 50.",
        labels={"namespace": "voice", "currency": "USD"},
    ),
    Situation("PodlineCost", "an hour cost 30", {COST: "0+0.5x90"}, "80m"),
    Situation(
        "PodlineUnpriced",
        "a model that the price file does not name",
        {UNPRICED: "0x5 100x10"},
        "10m",
        "100 tokens, seconds of audio or characters of gemini in an hour have no cost and don't count toward "
        "its alert: the price file has no price for them.",
        labels={"namespace": "voice", "model": "gemini"},
    ),
    Situation(
        "PodlineUnpriced",
        "characters without a price were spoken",
        {UNPRICED: "0x15", UNPRICED_SPEECH: "0x5 40x10"},
        "10m",
        "40 tokens, seconds of audio or characters of voice in an hour have no cost and don't count toward "
        "its alert: the price file has no price for them.",
        labels={"namespace": "voice", "model": "voice"},
    ),
    Situation("PodlineUnpriced", "all have a price", {UNPRICED: "0x10", COST: "0+0.1x10"}, "10m"),
]
