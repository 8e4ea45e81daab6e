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


def takeovers(cause: str) -> str:
    return f'podline_takeovers_total{{namespace="voice",cause="{cause}"}}'


def proxied(outcome: str) -> str:
    return f'podline_proxied_requests_total{{namespace="voice",outcome="{outcome}"}}'


def unanswered(cause: str) -> str:
    return f'podline_turns_unanswered_total{{namespace="voice",cause="{cause}"}}'


def claims(result: str) -> str:
    return f'podline_warm_claims_total{{namespace="voice",agent="shop",result="{result}"}}'


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
WANTED = 'podline_warm_bots_wanted{namespace="voice",agent="shop"}'
WAITING = 'podline_warm_bots{namespace="voice",agent="shop",state="ready"}'
STARTING = 'podline_warm_bots{namespace="voice",agent="shop",state="starting"}'
SHOP_STARTS = 'podline_session_starts_total{namespace="voice",agent="shop"}'
SHOP = {"namespace": "voice", "agent": "shop"}
LEADER = 'podline_leader{namespace="voice"}'
REACHED = 'podline_leader_reachable{namespace="voice"}'
UNPRICED_SPEECH = 'podline_unpriced_synthesized_characters_total{namespace="voice",service="a",model="voice"}'


def at(instance: str, series: str) -> str:
    """The same series of one of several controllers."""
    return f'{series.removesuffix("}")},instance="{instance}"}}'


def led(leader: str, standby: str, values: str = "x60") -> dict[str, str]:
    """Two controllers, one of which leads all the time."""
    return {at(leader, LEADER): f"1{values}", at(standby, LEADER): f"0{values}"}


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
        Situation(
            alert,
            f"sessions ended as {reason}, one before a hand-over and one after it",
            {
                at("a", ends("failed", reason)): "0x5 1x3 _x10",
                at("b", ends("failed", reason)): "0x9 1x9",
            },
            "12m",
            says,
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
        "PodlineAbsent",
        "one of two controllers is gone",
        {at("a", READY): "1x5 _x20", at("b", READY): "1x25"},
        "20m",
    ),
    Situation(
        "PodlineNotReady",
        "the leader is not, and its standby is",
        {**led("a", "b"), at("a", READY): "1 0x60", at("b", READY): "1x60"},
        "5m",
        "The controller has refused starts for 2 minutes; /readyz says why.",
    ),
    Situation(
        "PodlineNotReady",
        "a standby is not",
        {**led("a", "b"), at("a", READY): "1x60", at("b", READY): "1 0x60"},
        "20m",
    ),
    Situation(
        "PodlineNotReady",
        "each of two leaders in turn is not",
        {
            at("a", LEADER): "1x5 0x20",
            at("b", LEADER): "0x5 1x20",
            at("a", READY): "0x5 1x20",
            at("b", READY): "1x5 0x20",
        },
        "4m",
        "The controller has refused starts for 2 minutes; /readyz says why.",
    ),
    Situation(
        "PodlineNoLeader",
        "the API server takes no renewal",
        {
            at("a", LEADER): "1 0x10",
            at("b", LEADER): "0x11",
            at("a", REACHED): "1 0x10",
            at("b", REACHED): "1 0x10",
        },
        "4m",
        "Controllers are running and none of them has led for a minute; their logs say why.",
    ),
    Situation(
        "PodlineNoLeader",
        "a leader was lost, and a scrape fell between it and the next one",
        {
            at("a", LEADER): "1x3 _x10",
            at("b", LEADER): "0x3 0 1x9",
            at("a", REACHED): "1x3 _x10",
            at("b", REACHED): "1x3 0 1x9",
        },
        "4m",
    ),
    Situation("PodlineNoLeader", "one of two leads", led("a", "b"), "30m"),
    Situation(
        "PodlineNoLeader",
        "Prometheus doesn't reach the leader, and the standby does",
        {at("b", LEADER): "0x20", at("b", REACHED): "1x20"},
        "15m",
    ),
    Situation(
        "PodlineRepeatedTakeovers",
        "two leaders were lost",
        {
            at("a", takeovers("expiry")): "0x10 1x50",
            at("b", takeovers("expiry")): "0x30 1x30",
            at("a", takeovers("handover")): "0x60",
            at("b", takeovers("handover")): "0x60",
        },
        "50m",
        "2 take-overs in an hour, more than upgrades and drains explain: two of a leader that was lost, or "
        "six of any kind.",
    ),
    Situation(
        "PodlineRepeatedTakeovers",
        "a leader is told to end every five minutes",
        {
            at("a", takeovers("handover")): "0x4 1x9 0x9 1x9 0x9 1x9 0x9",
            at("b", takeovers("handover")): "0x9 1x9 0x9 1x9 0x9 1x9 0x4",
        },
        "59m",
        "6 take-overs in an hour, more than upgrades and drains explain: two of a leader that was lost, or "
        "six of any kind.",
    ),
    Situation(
        "PodlineRepeatedTakeovers",
        "an upgrade, a drain, and a node that died",
        {
            at("a", takeovers("handover")): "0x60",
            at("b", takeovers("handover")): "0x10 1x50",
            at("c", takeovers("handover")): "_x10 0 1x50",
            at("d", takeovers("handover")): "_x12 0x20 1x28",
            at("d", takeovers("expiry")): "_x12 0x48",
            at("c", takeovers("expiry")): "_x10 0x40 1x10",
        },
        "59m",
    ),
    Situation(
        "PodlineStandbyLags",
        "a standby's watch of pods is silent",
        {**led("a", "b"), at("a", WATCH): "10x60", at("b", WATCH): "10 70+60x10"},
        "5m",
        "The watch of jobs at b has been silent for 5m 10s; this standby serves nobody and takes over late.",
        labels={"namespace": "voice", "instance": "b", "resource": "jobs"},
    ),
    Situation(
        "PodlineStandbyLags",
        "the leader's is, and the standby's is renewed",
        {**led("a", "b"), at("a", WATCH): "10 70+60x10", at("b", WATCH): "0 15 30 45 0 15 30 45 0 15 30"},
        "8m",
    ),
    Situation(
        "PodlineWatchStale",
        "the leader's is, and the standby's is renewed",
        {**led("a", "b"), at("a", WATCH): "10 70+60x10", at("b", WATCH): "0 15 30 45 0 15 30 45 0 15 30"},
        "5m",
        "The watch of jobs has been silent for 5m 10s; it is renewed every 45 s.",
        labels={"namespace": "voice", "resource": "jobs"},
    ),
    Situation(
        "PodlineWatchStale",
        "a standby's is",
        {**led("a", "b"), at("a", WATCH): "10x60", at("b", WATCH): "10 70+60x10"},
        "8m",
    ),
    Situation(
        "PodlineLeaderUnreachable",
        "a network policy keeps a standby from it",
        {**led("a", "b"), at("a", REACHED): "1x20", at("b", REACHED): "1 0x20"},
        "6m",
        "The controller at b has not reached the leader for 2 minutes, so it passes no request on and is not "
        "ready.",
        labels={"namespace": "voice", "instance": "b"},
    ),
    Situation(
        "PodlineLeaderUnreachable",
        "for a moment, at a hand-over",
        {**led("a", "b"), at("a", REACHED): "1x20", at("b", REACHED): "1x5 0 1x14"},
        "7m",
    ),
    Situation(
        "PodlineLeaderUnreachable",
        "nobody leads",
        {
            at("a", LEADER): "0x20",
            at("b", LEADER): "0x20",
            at("a", REACHED): "0x20",
            at("b", REACHED): "0x20",
        },
        "15m",
    ),
    Situation(
        "PodlineProxyFails",
        "a tenth does, at two standbys, for minutes",
        {
            at("a", proxied("answered")): "0+90x40",
            at("b", proxied("answered")): "0+90x40",
            at("a", proxied("unreachable")): "0+15x40",
            at("b", proxied("broken")): "0+5x40",
        },
        "25m",
        "10% of the requests that standbys passed on got no answer or only a part of it, for 10 minutes.",
    ),
    Situation(
        "PodlineProxyFails",
        "a hand-over broke a thousand streams",
        {at("b", proxied("answered")): "0+90x40", at("b", proxied("broken")): "0x10 1000x30"},
        "20m",
    ),
    Situation(
        "PodlineProxyFails",
        "many are held while nobody leads",
        {at("b", proxied("answered")): "0+90x40", at("b", proxied("held")): "0+90x40"},
        "30m",
    ),
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
        "one answer in ten was missing, counted by a leader and the one after it",
        {
            at("a", TURNS): "0+9x12 108x18",
            at("b", TURNS): "0x11 0+9x18",
            at("a", STARTS): "0+1x12 12x18",
            at("b", STARTS): "0x11 0+1x18",
            at("a", unanswered("empty_turn")): "0+1x12 12x18",
            at("b", unanswered("empty_turn")): "0x11 0+1x18",
        },
        "20m",
        "15 times in 15 minutes a caller was owed an answer and had not heard it, more than one in 20 "
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
    Situation(
        "PodlineCapacity",
        "19 of 20 sessions run, and their leader hands over between two scrapes",
        {
            at("a", RUNNING): "19x5 _x20",
            at("b", RUNNING): "_x6 19x20",
            at("a", CAPACITY): "20x5 _x20",
            at("b", CAPACITY): "_x6 20x20",
        },
        "12m",
        "95% of it is in use; at 100 % calls are refused.",
    ),
    Situation(
        "PodlineCapacity",
        "10 of 20, and for a scrape after a hand-over two controllers have them",
        {
            at("a", RUNNING): "10x30",
            at("b", RUNNING): "_x5 10x25",
            at("a", CAPACITY): "20x30",
            at("b", CAPACITY): "_x5 20x25",
        },
        "20m",
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
    Situation(
        "PodlineLimitLowered",
        "a model's quota is used up before a hand-over and after it",
        {at("a", LOWERED): "0x5 1x10 _x10", at("b", LOWERED): "_x16 1x10"},
        "24m",
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
        "three starts found no room, two before a hand-over and one after it",
        {
            at("a", refusals("rooms_unavailable")): "0x3 2x2 _x9",
            at("b", refusals("rooms_unavailable")): "0x6 1x9",
        },
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
    Situation(
        "PodlineReportsLost",
        "a bot left no final report, to the second leader of an hour",
        {at("a", PARTIAL): "0x5 _x9", at("b", PARTIAL): "0x6 1x9"},
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
        "one in fifty, by a leader and the one after it",
        {
            at("a", batches("refused")): "0+1x30 30x30",
            at("a", batches("added")): "0+49x30 1470x30",
            at("b", batches("refused")): "0x30 0+1x30",
            at("b", batches("added")): "0x30 0+49x30",
        },
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
        "at the leader, and for a scrape also at the one before it",
        {at("a", INVALID): "1x5 _x20", at("b", INVALID): "_x4 1x20"},
        "12m",
        "The definition of shop can't be used, so its last valid version stays active; GET /v1/agents names "
        "file, key and remedy.",
        labels={"namespace": "voice", "agent": "shop"},
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
        "PodlineWarmPoolEmpty",
        "one start in ten finds no bot",
        {WANTED: "2x30", claims("no_bot"): "0+1x30", claims("claimed"): "0+9x30", SHOP_STARTS: "0+10x30"},
        "20m",
        "10% of the starts of shop in 10 minutes found no warm bot ready, so they started cold.",
        labels=SHOP,
    ),
    Situation(
        "PodlineWarmPoolEmpty",
        "one start in ten finds no bot, counted by a leader and the one after it",
        {
            at("a", WANTED): "2x12 _x18",
            at("b", WANTED): "_x12 2x18",
            at("a", claims("no_bot")): "0+1x12 12x18",
            at("b", claims("no_bot")): "0x11 0+1x18",
            at("a", SHOP_STARTS): "0+10x12 120x18",
            at("b", SHOP_STARTS): "0x11 0+10x18",
        },
        "20m",
        "10% of the starts of shop in 10 minutes found no warm bot ready, so they started cold.",
        labels=SHOP,
    ),
    Situation(
        "PodlineWarmPoolEmpty",
        "two starts in a hundred find no bot",
        {WANTED: "2x30", claims("no_bot"): "0+1x30", claims("claimed"): "0+49x30", SHOP_STARTS: "0+50x30"},
        "25m",
    ),
    Situation(
        "PodlineWarmPoolEmpty",
        "the first two calls after a quiet night find no bot in an automatic pool",
        {WANTED: "0x5 1x15", claims("no_bot"): "0x5 2x15", SHOP_STARTS: "0x5 2x15"},
        "10m",
    ),
    Situation(
        "PodlineWarmPoolEmpty",
        "calls have all the capacity, so no warm bots should wait",
        {WANTED: "0x30", claims("no_bot"): "0+5x30", SHOP_STARTS: "0+5x30"},
        "20m",
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "its image can't be pulled",
        {WANTED: "3x30", WAITING: "0x30", STARTING: "1x30", claims("claimed"): "0x30"},
        "20m",
        "3 warm bots of shop are missing, and for 15 minutes more were than calls had taken; "
        "podline agent shop says why.",
        labels=SHOP,
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "no node has room before a hand-over and after it",
        {
            at("a", WANTED): "3x10 _x20",
            at("b", WANTED): "_x10 3x20",
            at("a", WAITING): "1x10 _x20",
            at("b", WAITING): "_x10 1x20",
            at("a", claims("claimed")): "0x10 _x20",
            at("b", claims("claimed")): "_x10 0x20",
        },
        "20m",
        "2 warm bots of shop are missing, and for 15 minutes more were than calls had taken; "
        "podline agent shop says why.",
        labels=SHOP,
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "a call takes one of the last bots every five minutes, and none is replaced",
        {
            WANTED: "10x40",
            WAITING: "6x4 5x4 4x4 3x4 2x4 1x4 0x10",
            claims("claimed"): "0x4 1x4 2x4 3x4 4x4 5x4 6x10",
        },
        "20m",
        "8 warm bots of shop are missing, and for 15 minutes more were than calls had taken; "
        "podline agent shop says why.",
        labels=SHOP,
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "calls take bots as fast as they become ready",
        {WANTED: "3x40", WAITING: "0x40", STARTING: "3x40", claims("claimed"): "0+2x40"},
        "35m",
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "a node is added within minutes",
        {WANTED: "3x40", WAITING: "0x10 3x30", claims("claimed"): "0x40"},
        "20m",
    ),
    Situation(
        "PodlineWarmPoolNotFilled",
        "it is full, and for a scrape after a hand-over the next leader has heard of no bot",
        {
            at("a", WANTED): "3x20 _x20",
            at("b", WANTED): "_x20 3x20",
            at("a", WAITING): "3x20 _x20",
            at("b", WAITING): "_x20 0 3x19",
            at("a", claims("claimed")): "0x40",
            at("b", claims("claimed")): "_x20 0x20",
        },
        "38m",
    ),
    Situation(
        "PodlineRecordsUnwritten",
        "the API server takes none",
        {PENDING: "0 3x20"},
        "15m",
        "At least 3 records have been waiting for 10 minutes to be written to their Jobs; the controller's "
        "log says why.",
    ),
    Situation(
        "PodlineRecordsUnwritten",
        "the API server takes none of the leader's",
        {at("a", PENDING): "0 3x20", at("b", PENDING): "0x21"},
        "15m",
        "At least 3 records have been waiting for 10 minutes to be written to their Jobs; the controller's "
        "log says why.",
    ),
    Situation(
        "PodlineRecordsUnwritten",
        "a standby has just taken over, and writes them",
        {at("a", PENDING): "0x9 _x10", at("b", PENDING): "0x10 3x3 0x9"},
        "14m",
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
    Situation(
        "PodlineCost",
        "half an hour of one leader and half an hour of the next cost 60",
        {at("a", COST): "0x30 0+1x30 30x30", at("b", COST): "0x60 0+1x30"},
        "91m",
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
    Situation(
        "PodlineUnpriced",
        "a model without a price was used before a hand-over and after it",
        {at("a", UNPRICED): "0x5 60x10", at("b", UNPRICED): "0x7 40x9"},
        "10m",
        "100 tokens, seconds of audio or characters of gemini in an hour have no cost and don't count toward "
        "its alert: the price file has no price for them.",
        labels={"namespace": "voice", "model": "gemini"},
    ),
    Situation("PodlineUnpriced", "all have a price", {UNPRICED: "0x10", COST: "0+0.1x10"}, "10m"),
]
