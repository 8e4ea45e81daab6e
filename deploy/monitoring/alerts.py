"""Alerts that name a cause."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.rules import Alert, Recording

COST_LIMIT: Final = Recording("podline:cost_per_hour:limit", "vector(50)")
"""In the currency of the price file. The first rule of the first group, so that an overlay can replace it."""

_NUMBER: Final = '{{ $value | printf "%.0f" }}'


def _ended(reason: str) -> str:
    return f'sum by (namespace) (increase(podline_session_ends_total{{reason="{reason}"}}[15m])) > 0'


_STANDS_BY: Final = "on (namespace, job, instance) podline_leader == 0"
"""After `and`: what standbys report. After `unless`: what the leader, or a controller alone, reports."""

_TAKEOVERS: Final = "sum by (namespace) (increase(podline_takeovers_total[1h]))"
_EXPIRIES: Final = 'sum by (namespace) (increase(podline_takeovers_total{cause="expiry"}[1h]))'


def _latest(gauge: str, by: str = "namespace") -> str:
    """Return the last value of a gauge that only the leader has; at a hand-over it misses a scrape."""
    return f"max by ({by}) (last_over_time({gauge}[1m]))"


_BY_AGENT: Final = "namespace, agent"
_WANTED: Final = _latest("podline_warm_bots_wanted", _BY_AGENT)
_NO_BOT: Final = f'sum by ({_BY_AGENT}) (increase(podline_warm_claims_total{{result="no_bot"}}[10m]))'
_READY: Final = _latest('podline_warm_bots{state="ready"}', _BY_AGENT)

_UNANSWERED: Final = "sum by (namespace) (increase(podline_turns_unanswered_total[15m]))"
_OWED: Final = (
    "(\n  sum by (namespace) (increase(podline_turns_total[15m]))\n  +\n"
    "  sum by (namespace) (increase(podline_session_starts_total[15m]))\n)"
)
"""Each turn is owed an answer, and each session a greeting."""


ALERTS: Final = (
    Alert(
        name="PodlineAbsent",
        severity="page",
        expression="absent(podline_ready)",
        lasts="5m",
        summary="No controller is reporting.",
        description="Prometheus has had no metrics of a controller for 5 minutes; no other alert can fire.",
    ),
    Alert(
        name="PodlineNotReady",
        severity="page",
        # A standby that is ready starts no call by itself.
        expression=f"max by (namespace) (podline_ready unless {_STANDS_BY}) == 0",
        lasts="2m",
        summary="No call can start.",
        description="The controller has refused starts for 2 minutes; /readyz says why.",
    ),
    Alert(
        name="PodlineNoLeader",
        severity="page",
        # A leader that Prometheus can't reach is not scraped, but the standbys reach it.
        expression=(
            "max by (namespace) (podline_leader) == 0\nunless\n"
            "max by (namespace) (podline_leader_reachable) == 1"
        ),
        lasts="1m",
        summary="No controller leads, so no call can start.",
        description="Controllers are running and none of them has led for a minute; their logs say why.",
    ),
    Alert(
        name="PodlineRepeatedTakeovers",
        severity="ticket",
        # `increase` extrapolates, so the limits lie between two numbers.
        expression=(f"(\n  {_TAKEOVERS}\n  and\n  {_EXPIRIES} > 1.5\n)\nor\n{_TAKEOVERS} > 5.5"),
        summary="Controllers take over from each other again and again.",
        description=(
            f"{_NUMBER} take-overs in an hour, more than upgrades and drains explain: two of a leader that "
            "was lost, or six of any kind."
        ),
    ),
    Alert(
        name="PodlineStandbyLags",
        severity="ticket",
        expression=(
            "max by (namespace, instance, resource) (\n"
            f"  podline_kubernetes_watch_age_seconds and {_STANDS_BY}\n) > 60"
        ),
        lasts="2m",
        summary="A standby no longer sees what happens to bots.",
        description=(
            "The watch of {{ $labels.resource }} at {{ $labels.instance }} has been silent for "
            "{{ $value | humanizeDuration }}; this standby serves nobody and takes over late."
        ),
    ),
    Alert(
        name="PodlineLeaderUnreachable",
        severity="ticket",
        expression=(
            "max by (namespace, instance) (podline_leader_reachable) == 0\nand on (namespace)\n"
            "max by (namespace) (podline_leader) == 1"
        ),
        lasts="2m",
        summary="A standby can't reach the leader.",
        description=(
            "The controller at {{ $labels.instance }} has not reached the leader for 2 minutes, so it passes "
            "no request on and is not ready."
        ),
    ),
    Alert(
        name="PodlineProxyFails",
        severity="page",
        # Each hand-over breaks the streams that were passed on; only what goes on is a fault.
        expression=(
            "sum by (namespace) ("
            'rate(podline_proxied_requests_total{outcome=~"unreachable|broken"}[5m]))\n/\n'
            "sum by (namespace) (rate(podline_proxied_requests_total[5m]))\n> 0.05"
        ),
        lasts="10m",
        summary="Requests fail on their way to the leader.",
        description=(
            "{{ $value | humanizePercentage }} of the requests that standbys passed on got no answer or only "
            "a part of it, for 10 minutes."
        ),
    ),
    Alert(
        name="PodlineWatchStale",
        severity="page",
        expression=(
            "max by (namespace, resource) (\n"
            f"  podline_kubernetes_watch_age_seconds unless {_STANDS_BY}\n) > 60"
        ),
        lasts="1m",
        summary="The controller no longer sees what happens to bots.",
        description=(
            "The watch of {{ $labels.resource }} has been silent for {{ $value | humanizeDuration }}; it is "
            "renewed every 45 s."
        ),
    ),
    Alert(
        name="PodlineModelRefused",
        severity="page",
        expression=_ended("model_refused"),
        summary="The model refuses calls: check the key and the model's name.",
        description=(
            f"{_NUMBER} calls in 15 minutes. The model did not accept the key or the setup; the message of "
            "each session quotes it."
        ),
    ),
    Alert(
        name="PodlineCallersWait",
        severity="page",
        # A turn counts once or twice, so more than four are the turns of several.
        expression=f"{_UNANSWERED} > 4\nand\n{_UNANSWERED} > 0.05 * {_OWED}",
        summary="Callers wait in silence.",
        description=(
            f"{_NUMBER} times in 15 minutes a caller was owed an answer and had not heard it, more than one "
            "in 20 answers."
        ),
    ),
    Alert(
        name="PodlineImagePull",
        severity="page",
        expression=_ended("image_pull"),
        summary="The bot's image can't be pulled.",
        description=f"{_NUMBER} calls in 15 minutes. The message of each session quotes the registry.",
    ),
    Alert(
        name="PodlineUnschedulable",
        severity="page",
        expression=_ended("unschedulable"),
        summary="No node has room for bots.",
        description=f"{_NUMBER} calls in 15 minutes. The message of each session quotes the scheduler.",
    ),
    Alert(
        name="PodlineCapacity",
        severity="page",
        expression=(
            f"{_latest('podline_sessions_running')}\n/\n{_latest('podline_sessions_capacity')}\n> 0.9"
        ),
        lasts="10m",
        summary="Nearly all capacity is in use.",
        description="{{ $value | humanizePercentage }} of it is in use; at 100 % calls are refused.",
    ),
    Alert(
        name="PodlineLimitLowered",
        severity="ticket",
        expression="max by (namespace, limit, name) (podline_limit_lowered) == 1",
        lasts="5m",
        summary="A provider refuses requests, so fewer calls are admitted.",
        description=(
            "The limit {{ $labels.limit }} of {{ $labels.name }} has been lowered for 5 minutes because its "
            "provider answers that a quota or a rate is used up."
        ),
    ),
    Alert(
        name="PodlineRoomsUnavailable",
        severity="page",
        expression=(
            'sum by (namespace) (increase(podline_session_refusals_total{code="rooms_unavailable"}[10m])) > 2'
        ),
        summary="Rooms can't be created.",
        description=f"{_NUMBER} starts in 10 minutes were refused because no room could be created.",
    ),
    Alert(
        name="PodlineReportsLost",
        severity="ticket",
        expression="sum by (namespace) (increase(podline_sessions_partial_usage_total[1h])) > 0",
        summary="Bots' final reports were lost.",
        description=(
            f"{_NUMBER} sessions in an hour left no final report: they may have used more than was recorded."
        ),
    ),
    Alert(
        name="PodlineReportsRefused",
        severity="ticket",
        expression=(
            'sum by (namespace) (rate(podline_report_batches_total{outcome="refused"}[30m]))\n/\n'
            "sum by (namespace) (rate(podline_report_batches_total[30m]))\n> 0.01"
        ),
        lasts="15m",
        summary="The controller refuses reports.",
        description="{{ $value | humanizePercentage }} of report batches were refused and changed no figure.",
    ),
    Alert(
        name="PodlineAgentInvalid",
        severity="ticket",
        expression="max by (namespace, agent) (podline_agent_definition_invalid) == 1",
        lasts="5m",
        summary="The latest definition of an agent can't be used.",
        description=(
            "The definition of {{ $labels.agent }} can't be used, so its last valid version stays active; "
            "GET /v1/agents names file, key and remedy."
        ),
    ),
    Alert(
        name="PodlineWarmPoolEmpty",
        severity="ticket",
        # One or two say nothing: an automatic buffer has none for the first calls after a quiet time.
        expression=(
            f"(\n  {_NO_BOT}\n  /\n  sum by ({_BY_AGENT}) (increase(podline_session_starts_total[10m]))\n"
            f"  > 0.05\n)\nand {_NO_BOT} > 2.5\nand {_WANTED} > 0"
        ),
        summary="Callers wait for cold starts because no warm bot is ready.",
        description=(
            "{{ $value | humanizePercentage }} of the starts of {{ $labels.agent }} in 10 minutes found no "
            "warm bot ready, so they started cold."
        ),
    ),
    Alert(
        name="PodlineWarmPoolNotFilled",
        severity="ticket",
        # Bots that calls have just taken are missing for as long as their successors need.
        expression=(
            f"(\n  {_WANTED}\n  -\n  {_READY}\n)\n>\n"
            f'sum by ({_BY_AGENT}) (increase(podline_warm_claims_total{{result="claimed"}}[5m]))'
        ),
        lasts="15m",
        summary="Fewer warm bots wait than should.",
        description=(
            f"{_NUMBER} warm bots of {{{{ $labels.agent }}}} are missing, and for 15 minutes more were than "
            "calls had taken; podline agent {{ $labels.agent }} says why."
        ),
    ),
    Alert(
        name="PodlineRecordsUnwritten",
        severity="ticket",
        expression="max by (namespace) (min_over_time(podline_kubernetes_writes_pending[10m])) > 0",
        summary="Session records can't be written.",
        description=(
            "At least {{ $value }} records have been waiting for 10 minutes to be written to their Jobs; the "
            "controller's log says why."
        ),
    ),
    Alert(
        name="PodlineCost",
        severity="page",
        expression=(
            f"sum by (namespace, currency) (increase(podline_cost_total[1h]))\n> scalar({COST_LIMIT.name})"
        ),
        summary="Calls cost more than the hourly limit.",
        description=(
            '{{ $value | printf "%.2f" }} {{ $labels.currency }} spent on models in an hour, more than '
            f'{{{{ with query "{COST_LIMIT.name}" }}}}{{{{ . | first | value }}}}{{{{ end }}}}.'
        ),
    ),
    Alert(
        name="PodlineUnpriced",
        severity="ticket",
        expression="\nor ".join(
            f"sum by (namespace, model) (increase(podline_unpriced_{used}_total[1h])) > 0"
            for used in ("tokens", "transcribed_seconds", "synthesized_characters")
        ),
        summary="A model has no price.",
        description=(
            f"{_NUMBER} tokens, seconds of audio or characters of {{{{ $labels.model }}}} in an hour have no "
            "cost and don't count toward its alert: the price file has no price for them."
        ),
    ),
)
