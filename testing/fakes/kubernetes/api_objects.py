"""What an API server keeps: objects by kind, namespace and name, their versions, and how they changed."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Thing = dict[str, Any]

KINDS: Final = {
    "jobs": ("batch/v1", "Job", "jobs.batch"),
    "pods": ("v1", "Pod", "pods"),
    "secrets": ("v1", "Secret", "secrets"),
    "events": ("v1", "Event", "events"),
    "configmaps": ("v1", "ConfigMap", "configmaps"),
    "leases": ("coordination.k8s.io/v1", "Lease", "leases.coordination.k8s.io"),
}
_MOST_BYTES_OF_A_CONFIG_MAP: Final = 1_048_576
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MODIFIED: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class RefusalError(Exception):
    """A request is answered with an error, in the API server's own words."""

    def __init__(self, status: int, reason: str, message: str, retry_after: int | str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    @property
    def body(self) -> Thing:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.status,
        }


@dataclass(frozen=True)
class Change:
    """One object before and after a write; None if there is none."""

    version: int
    kind: str
    before: Thing | None
    after: Thing | None

    def seen_by(self, selector: Callable[[Thing], bool]) -> tuple[str, Thing] | None:
        """Return the event for a watch with this selector, if any."""
        was = self.before is not None and selector(self.before)
        now = self.after is not None and selector(self.after)
        if now and self.after is not None:
            return ("MODIFIED" if was else "ADDED"), self.after
        if was and self.before is not None:
            last = {**self.before["metadata"], "resourceVersion": str(self.version)}
            return "DELETED", {**self.before, "metadata": last}
        return None


@dataclass
class Objects:
    """A store. Objects are replaced, never changed in place, so whoever holds one has it as it was.

    `expired` is the newest version that is no longer known: whoever asks for what came after an older one is
    sent away. `reactions` are called with each change at once, as controllers are.
    """

    namespaces: set[str] = field(default_factory=lambda: {"podline"})
    version: int = 1
    expired: int = 0
    changes: list[Change] = field(default_factory=list)
    reactions: list[Callable[[Change], None]] = field(default_factory=list)
    _items: dict[tuple[str, str, str], Thing] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def create(self, kind: str, namespace: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Thing:
        api_version, name_of_kind, _ = KINDS[kind]
        if namespace not in self.namespaces:
            raise RefusalError(404, "NotFound", f'namespaces "{namespace}" not found')
        name = body["metadata"]["name"]
        if kind != "events" and not _DNS_LABEL.fullmatch(name):
            raise RefusalError(
                422, "Invalid", f'{name_of_kind} "{name}" is invalid: metadata.name: Invalid value'
            )
        if (kind, namespace, name) in self._items:
            goes = "object is being deleted: " if is_going(self._items[kind, namespace, name]) else ""
            raise RefusalError(409, "AlreadyExists", f'{goes}{KINDS[kind][2]} "{name}" already exists')
        metadata = {
            **body["metadata"],
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": _now(),
        }
        thing = {**_copied(body), "apiVersion": api_version, "kind": name_of_kind, "metadata": metadata}
        for key, text in thing.pop("stringData", {}).items():
            thing.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
        return thing if dry_run else self._put(kind, namespace, name, thing)

    def namespace(self, name: str) -> Thing:
        if name not in self.namespaces:
            raise RefusalError(404, "NotFound", f'namespaces "{name}" not found')
        uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid}}

    def get(self, kind: str, namespace: str, name: str) -> Thing:
        thing = self.find(kind, namespace, name)
        if thing is None:
            raise RefusalError(404, "NotFound", f'{KINDS[kind][2]} "{name}" not found')
        return thing

    def find(self, kind: str, namespace: str, name: str) -> Thing | None:
        return self._items.get((kind, namespace, name))

    def patch(
        self, kind: str, namespace: str, name: str, patch: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> Thing:
        before = self.get(kind, namespace, name)
        after: Thing = merged(before, patch) if isinstance(patch, Mapping) else operated(before, patch)
        what = f'{KINDS[kind][2]} "{name}"'
        if after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise _conflict(what, _MODIFIED)
        if after["metadata"]["uid"] != before["metadata"]["uid"]:
            raise RefusalError(422, "Invalid", f"{what} is invalid: metadata.uid: field is immutable")
        if kind == "jobs" and is_going(after) and not after["metadata"].get("finalizers"):
            self._remove(kind, namespace, name)
            return after
        return self._put(kind, namespace, name, after)

    def replace(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> Thing:
        before = self.get(kind, namespace, name)
        version = before["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion", version) != version:
            raise _conflict(f'{KINDS[kind][2]} "{name}"', _MODIFIED)
        kept = {key: before["metadata"][key] for key in ("namespace", "uid", "creationTimestamp")}
        after = {**before, **_copied(body), "metadata": {**_copied(body)["metadata"], **kept}}
        return self._put(kind, namespace, name, after)

    def check(self, kind: str, namespace: str, name: str, preconditions: Mapping[str, str]) -> None:
        """Refuse to delete another object than the one that is meant, or another version of it."""
        meta = self.get(kind, namespace, name)["metadata"]
        for key, expected in preconditions.items():
            if meta[key] != expected:
                what = {"uid": "UID", "resourceVersion": "ResourceVersion"}[key]
                why = f"the {what} in the precondition ({expected}) does not match the {what} in record"
                raise _conflict(f'{KINDS[kind][2]} "{name}"', f"{why} ({meta[key]}).")

    def delete(self, kind: str, namespace: str, name: str) -> Thing:
        thing = self.get(kind, namespace, name)
        if thing["metadata"].get("finalizers"):
            # Whoever has put it there lets it go.
            at = thing["metadata"].get("deletionTimestamp") or _now()
            return self._put(kind, namespace, name, merged(thing, {"metadata": {"deletionTimestamp": at}}))
        return self._remove(kind, namespace, name)

    def all(
        self, kind: str, namespace: str, selector: Callable[[Thing], bool] = lambda _: True
    ) -> list[Thing]:
        """In the order of their names, as etcd keeps them."""
        found = ((key, thing) for key, thing in self._items.items() if key[:2] == (kind, namespace))
        return [thing for _, thing in sorted(found, key=lambda each: each[0]) if selector(thing)]

    def since(self, version: int, kind: str) -> Iterator[Change]:
        return (change for change in self.changes if change.version > version and change.kind == kind)

    def forget_history(self) -> None:
        """Compact: nothing older than now can be requested."""
        self.expired = self.version
        self.changes.clear()

    async def change(self) -> None:
        """Wait until something is written."""
        await self._changed.wait()

    def _remove(self, kind: str, namespace: str, name: str) -> Thing:
        thing = self._items.pop((kind, namespace, name))
        self._notify(kind, thing, None)
        return thing

    def _put(self, kind: str, namespace: str, name: str, thing: Thing) -> Thing:
        if kind == "configmaps":
            _check_config_map(thing)
        before = self._items.get((kind, namespace, name))
        stamped = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(self.version + 1)}}
        self._items[kind, namespace, name] = stamped
        self._notify(kind, before, stamped)
        return stamped

    def _notify(self, kind: str, before: Thing | None, after: Thing | None) -> None:
        self.version += 1
        change = Change(self.version, kind, before, after)
        self.changes.append(change)
        self._changed.set()
        self._changed = asyncio.Event()
        for react in self.reactions:
            react(change)


def _check_config_map(thing: Thing) -> None:
    data = thing.get("data") or {}
    what = f'ConfigMap "{thing["metadata"]["name"]}" is invalid'
    for key in data:
        if not _KEY.fullmatch(key):
            raise RefusalError(
                422, "Invalid", f'{what}: data[{key}]: Invalid value: "{key}": a valid config key'
            )
    if sum(len(text.encode()) for text in data.values()) > _MOST_BYTES_OF_A_CONFIG_MAP:
        raise RefusalError(
            422, "Invalid", f"{what}: []: Too long: may not be more than {_MOST_BYTES_OF_A_CONFIG_MAP} bytes"
        )


def _conflict(what: str, why: str) -> RefusalError:
    return RefusalError(409, "Conflict", f"Operation cannot be fulfilled on {what}: {why}")


def is_going(thing: Thing) -> bool:
    """Whether it has been deleted, and somebody has yet to let it go."""
    return "deletionTimestamp" in thing["metadata"]


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch, RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    kept = target if isinstance(target, Mapping) else {}
    gone = {key for key, value in patch.items() if value is None}
    changed = {key: merged(kept.get(key), value) for key, value in patch.items() if key not in gone}
    return {key: value for key, value in {**kept, **changed}.items() if key not in gone}


def operated(target: Thing, operations: Sequence[Mapping[str, Any]]) -> Thing:
    """A JSON patch, RFC 6902, of `test`, `add` and `replace` of an object's members."""
    changed = _copied(target)
    for each in operations:
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in each["path"].split("/")[1:])
        place: Any = changed
        for step in steps:
            place = place.get(step, {})
        fits = {"test": place.get(last) == each["value"], "replace": last in place, "add": bool(place)}
        if not fits[each["op"]]:
            raise RefusalError(
                422, "Invalid", "the server rejected our request due to an error in our request"
            )
        place[last] = each["value"]
    return changed


def label_selector(text: str) -> Callable[[Thing], bool]:
    """`key`, `!key` and `key=value`, separated by commas."""
    terms = [term for term in text.split(",") if term]
    unwanted = {term[1:] for term in terms if term.startswith("!")}
    wanted = [term.partition("=") for term in terms if not term.startswith("!")]

    def fits(thing: Thing) -> bool:
        labels = thing["metadata"].get("labels") or {}
        return not unwanted & labels.keys() and all(
            key in labels and (not equals or labels[key] == value) for key, equals, value in wanted
        )

    return fits


def field_selector(text: str) -> Callable[[Thing], bool]:
    """`path.to.field=value`, separated by commas."""
    wanted = [term.partition("=") for term in filter(None, text.split(","))]

    def at(thing: Any, path: str) -> Any:
        for step in path.split("."):
            thing = thing.get(step) or {}
        return thing

    return lambda thing: all(at(thing, path) == value for path, _, value in wanted)


def _copied(body: Mapping[str, Any]) -> Thing:
    copy: Thing = json.loads(json.dumps(body))
    return copy


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
