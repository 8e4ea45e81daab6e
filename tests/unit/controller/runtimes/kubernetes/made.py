"""Sessions and launches, and the template that ships, for the tests of this folder."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from controller.core.agents import BUILT_IN
from controller.core.runtime import Launch
from controller.core.session import Budget, Diagnostics, Ending, Session, Timeline
from controller.core.warm import WarmBot, WarmLaunch
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job.manifests import session_job
from controller.runtimes.kubernetes.job.template import JobTemplate, read_template
from controller.runtimes.kubernetes.job.warm_manifests import warm_job
from podline.contract.agents import NAME_PATTERN
from podline.contract.reasons import Reason
from podline.contract.usage import ModelUsage, ToolCalls, Usage

TEMPLATE = Path(__file__).parents[5] / "deploy" / "base" / "bot-job.yaml"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def template() -> JobTemplate:
    return read_template(TEMPLATE, "podline")


def session(**fields: Any) -> Session:
    known = {
        "id": "cart-7",
        "user_id": "ana",
        "launch_id": "launch-1",
        "request_hash": "abc",
        "agent": "shop",
        "agent_version": "2-0123abcd",
        "cold_start": True,
        "room_provider": "webrtc",
        "max_duration_seconds": 1800,
        "timeline": Timeline(accepted=NOW),
    }
    return Session(**{**known, **fields})


def launch(**fields: Any) -> Launch:
    known = {
        "session": session(),
        "environment": {"SESSION_ID": "cart-7", "USER_ID": "ana"},
        "secrets": {"PODLINE_LAUNCH_TOKEN": "a-launch-token"},
        "deadline_seconds": 1950.5,
    }
    return Launch(**{**known, **fields})


def warm_bot(**fields: Any) -> WarmBot:
    known = {"launch_id": "warm-1", "agent": "shop", "agent_version": "2-0123abcd", "created": NOW}
    return WarmBot(**{**known, **fields})


def warm_launch(**fields: Any) -> WarmLaunch:
    known = {
        "bot": warm_bot(),
        "agent": BUILT_IN,
        "environment": {"PODLINE_WARM": "true"},
        "secrets": {"PODLINE_LAUNCH_TOKEN": "a-launch-token"},
        "deadline_seconds": 3600.0,
    }
    return WarmLaunch(**{**known, **fields})


def claim(launch_id: str = "warm-1", **fields: Any) -> Launch:
    """A session that takes a warm bot."""
    return launch(session=session(**{"launch_id": launch_id, "cold_start": False, **fields}))


def warm_manifest(of: WarmLaunch) -> dict[str, Any]:
    return warm_job(template(), of, grace_seconds=30, keep_ended_seconds=3600)


def manifest(of: Launch) -> dict[str, Any]:
    return session_job(template(), of, grace_seconds=30, keep_ended_seconds=3600)


def job(of: dict[str, Any]) -> Job:
    """As the API server would give it back."""
    return msgspec.json.decode(msgspec.json.encode(of), type=Job)


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    kept = target if isinstance(target, dict) else {}
    changed = {key: merged(kept.get(key), value) for key, value in patch.items() if value is not None}
    return {**kept, **changed}


TEXTS = st.text(max_size=40).filter(lambda text: "\x00" not in text)
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.none() | st.integers(0, 10**9).map(lambda seconds: _EARLIEST + timedelta(milliseconds=seconds))
METADATA = st.dictionaries(
    TEXTS, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS, max_size=4
)
USAGE = st.builds(
    Usage,
    models=st.dictionaries(st.just("gemini"), st.builds(ModelUsage, prompt_tokens=st.integers(0, 2**40))),
    services=st.dictionaries(
        st.just("OpenAISTTService/whisper"), st.builds(ModelUsage, audio_seconds=st.floats(0, 10**6))
    ),
    turns=st.integers(0, 1000),
    tool_calls=st.dictionaries(st.just("search"), st.builds(ToolCalls, ok=st.integers(0, 9))),
)
TIMELINES = st.builds(
    Timeline,
    accepted=st.just(NOW),
    launched=MOMENTS,
    scheduled=MOMENTS,
    process_up=MOMENTS,
    joined=MOMENTS,
    caller_joined=MOMENTS,
    first_speech=MOMENTS,
    ended=MOMENTS,
)
SESSIONS = st.builds(
    Session,
    id=st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=128),
    user_id=st.text(min_size=1, max_size=128).filter(str.isprintable),
    launch_id=st.uuids().map(str),
    request_hash=TEXTS,
    room_provider=st.sampled_from(["webrtc", "daily"]),
    room_url=st.none() | TEXTS,
    room_is_brought=st.booleans(),
    agent=st.from_regex(NAME_PATTERN, fullmatch=True),
    agent_version=st.none() | st.from_regex(r"[1-9][0-9]{0,5}-[0-9a-f]{8}", fullmatch=True),
    body=st.none(),
    body_is_lost=st.booleans(),
    cold_start=st.booleans(),
    persona=st.none() | TEXTS,
    max_duration_seconds=st.integers(1, 86_400),
    budget=st.builds(
        Budget,
        tokens=st.none() | st.integers(1, 2**53),
        cost=st.none() | st.floats(0, 1e9, exclude_min=True),
    ),
    metadata=METADATA,
    address_tag=st.none() | st.just("0123456789abcdef"),
    timeline=TIMELINES,
    usage=USAGE,
    usage_is_partial=st.booleans(),
    diagnostics=st.none()
    | st.builds(Diagnostics, events=st.tuples(TEXTS), log=st.lists(TEXTS, max_size=3).map(tuple)),
    trace=st.sampled_from([{}, {"traceparent": f"00-{1:032x}-{2:016x}-01", "tracestate": "shop=1"}]),
)
ENDINGS = st.builds(Ending, reason=st.sampled_from(Reason), what_happened=TEXTS.filter(bool))
