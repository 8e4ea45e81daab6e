"""One agent's versions as text, and how much of such texts one ConfigMap can hold. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from controller.agents.cluster.source import Source
from controller.agents.versions import KEPT, Versions
from controller.core.agents import AgentDefinition, AgentVersion, GoodbyeRule
from controller.core.primitives.unknown_fields import unknown_fields, with_unknown_fields
from podline.contract.version import CONTRACT, UNNUMBERED, why_unspoken

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
    contract: int | None = None
    deployment: str | None = None
    versions: list[_Version] = []
    deployed: _Deployed | None = None


class _Numbered(msgspec.Struct, frozen=True):
    """Only the contract of a record."""

    contract: int | None = None


class _Unknown(NamedTuple):
    """What only a newer controller knows of a record: of all of it, of its deployment, of each version."""

    record: dict[str, Any]
    deployed: tuple[_Deployed | None, dict[str, Any]]
    versions: dict[int, tuple[_Version, dict[str, Any]]]

    @classmethod
    def of(cls, text: str | None) -> _Unknown | None:
        """Read it from a text; None if there is nothing that this release doesn't know."""
        read = _decoded(text)
        if text is None or read is None:
            return None
        whole = msgspec.json.decode(text, type=dict[str, Any])
        versions = {
            each.serial: (each, unknown_fields(raw, _FIELDS_OF_VERSION))
            for each, raw in zip(read.versions, whole.get("versions", []), strict=True)
        }
        unknown = cls(
            record=unknown_fields(whole, _FIELDS_OF_RECORD),
            deployed=(read.deployed, unknown_fields(whole.get("deployed") or {}, _FIELDS_OF_DEPLOYED)),
            versions={serial: each for serial, each in versions.items() if each[1]},
        )
        return unknown if unknown.record or unknown.deployed[1] or unknown.versions else None

    def added_to(self, record: _Record) -> dict[str, Any]:
        """Return a record with it, as far as it is about the same deployment and the same versions."""
        whole: dict[str, Any] = with_unknown_fields(msgspec.to_builtins(record), self.record)
        former, unknown = self.deployed
        if record.deployed is not None and record.deployed == former:
            whole["deployed"] = with_unknown_fields(whole["deployed"], unknown)
        for version, builtins in zip(record.versions, whole.get("versions", []), strict=True):
            known, unknown = self.versions.get(version.serial, (None, {}))
            if known is not None and known.at == version.at:
                builtins.update(with_unknown_fields(builtins, unknown))
        return whole


_FIELDS_OF_RECORD: Final = dict.fromkeys(_Record.__struct_fields__)
_FIELDS_OF_DEPLOYED: Final = dict.fromkeys(_Deployed.__struct_fields__)
_FIELDS_OF_VERSION: Final[Mapping[str, Any]] = {
    **dict.fromkeys(_Version.__struct_fields__),
    "definition": asdict(AgentDefinition(name="", goodbye=GoodbyeRule())),
}


def why_unread(text: str) -> str | None:
    """Return why this release doesn't speak the contract of a text, as a clause; None if it does."""
    try:
        contract = msgspec.json.decode(text, type=_Numbered).contract
    except (msgspec.MsgspecError, RecursionError):
        return None
    return why_unspoken(UNNUMBERED if contract is None else contract)


def encode_versions(versions: Versions, source: Source | None = None, former: str | None = None) -> str:
    """Return an agent's versions as text, without the oldest if that would be too much.

    Args:
        versions: of the agent.
        source: of its definition. An operator's ConfigMap is not repeated here.
        former: the text that this one replaces. What only a newer controller knows of it is kept.
    """
    unknown = _Unknown.of(former)
    kept = [
        _Version(each.serial, each.definition.given(), dict(each.files), each.deployed_at)
        for each in versions.kept
    ]
    deployed = None
    if source is not None and source.config_map is None:
        deployed = _Deployed(dict(source.files), source.redeploy, source.rollback)
    while True:
        record = _Record(versions.next_serial, CONTRACT, versions.deployment, kept, deployed)
        text = msgspec.json.encode(unknown.added_to(record) if unknown is not None else record)
        if len(text) <= MOST_BYTES or len(kept) <= 1:
            return text.decode()
        kept = kept[1:]


def decode_agent(name: str, text: str) -> tuple[Versions, Source | None] | None:
    """Return the versions of an agent and its source.

    None if somebody changed them beyond recognition, or if this release can't read them: see `why_unread`.
    """
    if (reason := why_unread(text)) is not None:
        extra = {"agent": name, "problem": f"What they are written in {reason}."}
        log.error("agent versions not understood", extra=extra)
        return None
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
    record = _decoded(text)
    if record is None or why_unread(text) is not None or len(record.versions) <= 1:
        return None
    whole = msgspec.json.decode(text, type=dict[str, Any])
    return msgspec.json.encode({**whole, "versions": whole["versions"][1:]}).decode()


def _decoded(text: str | None) -> _Record | None:
    """Return a record; None if there is none, or somebody changed it beyond recognition."""
    try:
        return msgspec.json.decode(text or "", type=_Record)
    except (msgspec.MsgspecError, RecursionError):
        return None
