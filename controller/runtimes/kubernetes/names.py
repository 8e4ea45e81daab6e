"""Names in the cluster: Jobs and label values derived from ids, our labels and annotations.

A derived name never replaces the id: ids are read from annotations, which keep them whole.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

OURS: Final = "podline.dev/"

LAUNCH_ID: Final = f"{OURS}launch-id"
"""The label by which Jobs and pods are selected."""

DRY_START: Final = f"{OURS}dry-start"
"""The label of a Job and pod that start an agent's bot without a call."""

SECRET_SET: Final = f"{OURS}secret-set"
"""The label of a Secret with one variable of a set, or with image credentials."""

SECRET_KEY: Final = f"{OURS}secret-key"

OF_SESSIONS: Final = f"{LAUNCH_ID},!{DRY_START}"
"""Selects the Jobs and pods of sessions."""

POOL: Final = f"{OURS}pool"
"""The label of the Job and pod of a warm bot: whether it waits for a session, has one, or was given up.

It has nothing to do with the label of nodes of this name, which operators may use.
"""

WARM: Final = f"{OURS}warm"
"""Of a warm bot's Job: what has to be known of it while it has no session, as JSON."""

CLAIM: Final = f"{OURS}claim"
"""Of a ConfigMap that the controller writes: another value each time that a controller makes it its own."""

SESSION_LABEL: Final = f"{OURS}session"
USER_LABEL: Final = f"{OURS}user"
AGENT_LABEL: Final = f"{OURS}agent"
AGENT_VERSION_LABEL: Final = f"{OURS}agent-version"
PHASE_LABEL: Final = f"{OURS}phase"
REASON_LABEL: Final = f"{OURS}reason"

CONTRACT: Final = f"{OURS}contract"
"""Of a Job: what its session's records and its bot's messages are written in (`podline.contract.version`)."""

SESSION_ID: Final = f"{OURS}session-id"
USER_ID: Final = f"{OURS}user-id"
REQUEST: Final = f"{OURS}request"
TIMELINE: Final = f"{OURS}timeline"
USAGE: Final = f"{OURS}usage"
MESSAGE: Final = f"{OURS}message"
DIAGNOSTICS: Final = f"{OURS}diagnostics"
REDEPLOY: Final = f"{OURS}redeploy"
"""Of an agent's ConfigMap: another value deploys the same definition again."""

STOP_REASON: Final = f"{OURS}stop-reason"
STOP_MESSAGE: Final = f"{OURS}stop-message"

BOT_CONTAINER: Final = "bot"

_LONGEST_NAME: Final = 40
"""A pod adds six characters, and its name should still fit into a label of 63."""

_LONGEST_LABEL: Final = 63
_HASH_CHARACTERS: Final = 12
_LAUNCH_CHARACTERS: Final = 8
_WARM: Final = "warm"
_WARM_CHARACTERS: Final = 10
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def job_name(session_id: str) -> str:
    """Return the name of a session's Job: its id if that is a short DNS label, else a slug and a hash."""
    if len(session_id) <= _LONGEST_NAME and _DNS_LABEL.fullmatch(session_id):
        return session_id
    return _slug(session_id, session_id.lower(), r"[^a-z0-9]+", _LONGEST_NAME)


def warm_job_name(agent: str, launch_id: str) -> str:
    """Return the name of a warm bot's Job, which it keeps when a session claims it."""
    digest = hashlib.sha256(launch_id.encode()).hexdigest()[:_WARM_CHARACTERS]
    readable = agent[: _LONGEST_NAME - len(f"{_WARM}--{digest}")].rstrip("-")
    return f"{_WARM}-{readable}-{digest}"


def secret_name(job: str, launch_id: str) -> str:
    """Return the name of one launch's Secret, so that no bot starts with an earlier launch's."""
    return f"{job}-{hashlib.sha256(launch_id.encode()).hexdigest()[:_LAUNCH_CHARACTERS]}"


def label_value(text: str) -> str:
    """Return a label value for any text: the text itself if it is valid, else a slug and a hash."""
    if len(text) <= _LONGEST_LABEL and _LABEL_VALUE.fullmatch(text):
        return text
    return _slug(text, text, r"[^A-Za-z0-9]+", _LONGEST_LABEL)


def _slug(whole: str, readable: str, unfit: str, longest: int) -> str:
    """Return a readable part and a hash of the whole."""
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH_CHARACTERS]
    slug = re.sub(unfit, "-", readable)[: longest - _HASH_CHARACTERS - 1].strip("-")
    return f"{slug}-{digest}" if slug else digest
