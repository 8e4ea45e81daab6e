"""A session's own account of itself, read from its Job: how it ended, and when it got how far. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final, NamedTuple

from scripts.site.pods import Item

REASON: Final = "podline.dev/reason"
_TRACK: Final = 40
"""Columns of a drawn timeline."""


class Stage(NamedTuple):
    """A stage of a session, and the seconds from its start request until then."""

    name: str
    seconds: float


def find_reason(job: Item) -> str | None:
    """Return why the session ended; None while that is not recorded."""
    reason: str | None = job["metadata"].get("labels", {}).get(REASON)
    return reason or None


def describe_end(job: Item) -> str:
    metadata = job["metadata"]
    message = metadata.get("annotations", {}).get("podline.dev/message", "")
    return f"{metadata['name']} ended as {find_reason(job)}: {message}"


def describe_session(job: Item) -> str:
    """Say how far a session is, whether it has ended or not."""
    metadata = job["metadata"]
    labels = metadata.get("labels", {})
    message = metadata.get("annotations", {}).get("podline.dev/message", "")
    state = f"{labels.get('podline.dev/phase', 'starting')} {labels.get(REASON, '')}".strip()
    return f"Session {metadata['name']} is {state}" + (f": {message}" if message else ".")


def read_stages(job: Item) -> list[Stage]:
    """Return the stages that the session reached, in the order in which its Job names them."""
    annotations = job["metadata"]["annotations"]
    accepted = json.loads(annotations["podline.dev/request"])["accepted"]
    timeline = json.loads(annotations.get("podline.dev/timeline", "{}"))
    moments = {"accepted": accepted, **{name: moment for name, moment in timeline.items() if moment}}
    start = datetime.fromisoformat(accepted)
    return [
        Stage(name, (datetime.fromisoformat(moment) - start).total_seconds())
        for name, moment in moments.items()
    ]


def print_stages(stages: list[Stage]) -> list[str]:
    return [f"{stage.seconds:7.2f} s  {stage.name}" for stage in stages]


def draw_stages(stages: list[Stage]) -> list[str]:
    """Return the lines with a track that shows where in the call each stage lies."""
    names = max(len(stage.name) for stage in stages)
    whole = max(stage.seconds for stage in stages) or 1.0
    lines = []
    for line, stage in zip(print_stages(stages), stages, strict=True):
        position = round(min(max(stage.seconds / whole, 0.0), 1.0) * (_TRACK - 1))
        track = "─" * position + "●" + "·" * (_TRACK - 1 - position)
        lines.append(f"{line}{' ' * (names - len(stage.name))}  {track}")
    return lines
