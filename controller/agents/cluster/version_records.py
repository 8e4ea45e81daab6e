"""One agent's versions as text, and how much of such texts one ConfigMap can hold. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from controller.agents.cluster.source import Source
from controller.agents.versions import KEPT, Versions
from controller.core.agents import AgentDefinition, AgentVersion

log = logging.getLogger("podline.agents")

MOST_BYTES: Final = 64 * 1024
"""Of one agent's versions; the oldest are left out first, and the active one never."""

MOST_BYTES_OF_ALL: Final = 1_000_000
"""The API server refuses a ConfigMap with more than 1,048,576."""


class _Version(msgspec.Struct, frozen=True, omit_defaults=True):
    serial: int
    definition: dict[str, Any]
    files: dict[str, str] = {}
    at: datetime | None = None


class _Deployed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was deployed last through the API."""

    files: dict[str, str]
    redeploy: str = ""
    rollback: str | None = None


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agent's versions. Of an agent that is gone only the next serial number stays."""

    next: int
    deployment: str | None = None
    versions: list[_Version] = []
    deployed: _Deployed | None = None


def encode_versions(versions: Versions, source: Source | None = None) -> str:
    """Return an agent's versions as text, without the oldest if that would be too much.

    Args:
        versions: of the agent.
        source: of its definition. An operator's ConfigMap is not repeated here.
    """
    kept = [
        _Version(each.serial, each.definition.given(), dict(each.files), each.deployed_at)
        for each in versions.kept
    ]
    deployed = None
    if source is not None and source.config_map is None:
        deployed = _Deployed(dict(source.files), source.redeploy, source.rollback)
    while True:
        record = _Record(versions.next_serial, versions.deployment, kept, deployed)
        text = msgspec.json.encode(record)
        if len(text) <= MOST_BYTES or len(kept) <= 1:
            return text.decode()
        kept = kept[1:]


def decode_agent(name: str, text: str) -> tuple[Versions, Source | None] | None:
    """Return the versions of an agent and its source; None if somebody changed them beyond recognition."""
    try:
        record = msgspec.json.decode(text, type=_Record)
        kept = [
            AgentVersion(
                definition=msgspec.convert(each.definition, AgentDefinition),
                serial=each.serial,
                files=each.files,
                deployed_at=each.at,
            )
            for each in record.versions[-KEPT:]
        ]
        if any(each.name != name for each in kept):
            raise msgspec.ValidationError("another agent's")
    except (msgspec.MsgspecError, RecursionError):
        log.warning("agent versions not understood", extra={"agent": name})
        return None
    versions = Versions(record.next, kept=kept, deployment=record.deployment)
    deployed = record.deployed
    if deployed is None:
        return versions, None
    files, redeploy, rollback = deployed.files, deployed.redeploy, deployed.rollback
    return versions, Source(agent=name, files=files, redeploy=redeploy, rollback=rollback)


def shortened(texts: Mapping[str, str], most_bytes: int = MOST_BYTES_OF_ALL) -> dict[str, str] | None:
    """Return the texts that have to be replaced so that all fit into one ConfigMap.

    The longest loses its oldest version, again and again. Active versions and the latest deployments stay.
    Return None if that is not enough.
    """
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    can_be_shortened = set(texts)
    changed: dict[str, str] = {}
    while sum(sizes.values()) > most_bytes:
        if not can_be_shortened:
            return None
        name = max(can_be_shortened, key=lambda each: (sizes[each], each))
        shorter = _without_oldest(changed.get(name, texts[name]))
        if shorter is None:
            can_be_shortened.discard(name)
        else:
            changed[name], sizes[name] = shorter, len(shorter.encode())
    return changed


def _without_oldest(text: str) -> str | None:
    """Return a record without its oldest version; None if it has none to spare."""
    try:
        record = msgspec.json.decode(text, type=_Record)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if len(record.versions) <= 1:
        return None
    return msgspec.json.encode(msgspec.structs.replace(record, versions=record.versions[1:])).decode()
