"""Alerts that name a cause."""

from __future__ import annotations

from typing import Final

from deploy.monitoring.rules import Alert, Recording

COST_LIMIT: Final = Recording("podline:cost_per_hour:limit", "vector(50)")
"""In the currency of the price file. The first rule of the first group, so that an overlay can replace it."""

_NUMBER: Final = '{{ $value | printf "%.0f" }}'


def _ended(reason: str) -> str:
    return f'sum by (namespace) (increase(podline_session_ends_total{{reason="{reason}"}}[15m])) > 0'


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
        expression="max by (namespace) (podline_ready) == 0",
        lasts="2m",
        summary="No call can start.",
        description="The controller has refused starts for 2 minutes; /readyz says why.",
    ),
    Alert(
        name="PodlineWatchStale",
        severity="page",
        expression="max by (namespace, resource) (podline_kubernetes_watch_age_seconds) > 60",
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
            "max by (namespace) (podline_sessions_running)\n/\n"
            "max by (namespace) (podline_sessions_capacity)\n> 0.9"
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
