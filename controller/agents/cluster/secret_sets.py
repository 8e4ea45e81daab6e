"""Secret sets of a cluster: a Secret for each variable, and an index without values."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from controller.agents.cluster.shared_config_map import SharedConfigMap, is_conflict
from controller.core.errors import InvalidRequest, RuntimeUnavailable
from controller.core.primitives.backoff import RetryWait
from controller.core.secret_sets import SecretSet
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.agents")

CONFIG_MAP: Final = "podline-secret-sets"
"""The index, with a key for each set. Part of deploy/base: the controller may create no ConfigMap."""

MOST_SETS: Final = 200
MOST_KEYS: Final = 100
"""Of one set."""

MOST_BYTES: Final = 1_000_000
"""Of the index: the API server refuses a ConfigMap with more than 1,048,576."""

_IMAGE_CREDENTIALS: Final = "image credentials"
_DIGITS: Final = 16
_NO_INDEX: Final = f'configmaps "{CONFIG_MAP}" not found'
_CHANGED: Final = "Another controller has changed this secret set meanwhile. Look at it, and try again."
_MOST_ATTEMPTS: Final = 4
"""How often a set is written if others write at the same time."""

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One set in the index."""

    updated: datetime
    keys: list[str] = []
    registry: str | None = None


class ClusterSecretSets:
    """Implements `SecretSets`. Secrets are written and deleted, and never read or listed."""

    def __init__(self, client: NamespaceClient, now: Callable[[], datetime], rng: random.Random) -> None:
        """Send nothing yet. `client` is one whose connection is open while this is used."""
        self._client = client
        self._now = now
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._map = SharedConfigMap(client, CONFIG_MAP)
        self._sets: dict[str, SecretSet] = {}
        self._unread_reason: str | None = "The secret sets have not been read yet."
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read the index, however long it takes until the cluster answers. Without one there are no sets."""
        failures = 0
        while self._unread_reason is not None:
            try:
                await self._read_index()
            except ApiError as error:
                log.warning("secret sets not read", extra={"error": str(error)})
                self._unread_reason = f"The ConfigMap {CONFIG_MAP} can't be read. {error}"
                failures += 1
                await asyncio.sleep(self._backoff.pause(failures))
                continue
            self._unread_reason = None

    async def claim(self) -> None:
        """Claim the index, however long it takes, and read again what a former controller has written."""
        failures = 0
        while not self._map.is_claimed:
            try:
                async with self._changing:
                    await self._write({})
            except ApiError as error:
                log.warning("secret sets not claimed", extra={"error": str(error)})
                failures += 1
                await asyncio.sleep(self._backoff.pause(failures))

    def not_ready_reason(self) -> str | None:
        """Return why the sets are not known yet, as a sentence; None if they are."""
        return self._unread_reason

    def all(self) -> Sequence[SecretSet]:
        return [self._sets[name] for name in sorted(self._sets)]

    def find(self, name: str) -> SecretSet | None:
        return self._sets.get(name)

    def has(self, name: str) -> bool:
        return name in self._sets

    def secrets_of(self, name: str) -> Sequence[str]:
        """Return the names of the Secrets that are the set of this name, or an operator's own Secret."""
        found = self._sets.get(name)
        if found is None:
            return (name,)
        if found.registry is not None:
            return (secret_name(name, _IMAGE_CREDENTIALS),)
        return tuple(secret_name(name, key) for key in found.keys)

    async def put(self, name: str, key: str, value: str) -> None:
        async with self._change():
            known = self._of_kind(name, is_registry=False)
            keys = tuple(sorted({*(known.keys if known is not None else ()), key}))
            if len(keys) > MOST_KEYS:
                raise InvalidRequest(f"A secret set may have {MOST_KEYS} variables at most. Use another set.")
            manifest = variable_secret(name, key, "Opaque", {key: value})
            await self._store(manifest, SecretSet(name=name, keys=keys, updated=self._now()))

    async def put_image_credentials(self, name: str, registry: str, credentials: str) -> None:
        async with self._change():
            self._of_kind(name, is_registry=True)
            document = {"auths": {registry: {"auth": credentials}}}
            content = {".dockerconfigjson": json.dumps(document)}
            manifest = variable_secret(name, _IMAGE_CREDENTIALS, "kubernetes.io/dockerconfigjson", content)
            await self._store(manifest, SecretSet(name=name, registry=registry, updated=self._now()))

    async def remove_key(self, name: str, key: str) -> bool:
        async with self._change():
            known = self._sets.get(name)
            if known is None or key not in known.keys:
                return False
            left = tuple(each for each in known.keys if each != key)
            changed = SecretSet(name=name, keys=left, updated=self._now())
            await self._remove(known, changed if left else None, [secret_name(name, key)])
            return True

    async def remove(self, name: str) -> bool:
        async with self._change():
            known = self._sets.get(name)
            if known is None:
                return False
            await self._remove(known, None, self.secrets_of(name))
            return True

    @asynccontextmanager
    async def _change(self) -> AsyncGenerator[None, None]:
        """Keep others from changing sets. Raises RuntimeUnavailable if they can't be changed."""
        async with self._changing:
            try:
                if self._unread_reason is not None:
                    raise RuntimeUnavailable(
                        f"The secret sets are not known right now. {self._unread_reason}"
                    )
                yield
            except ApiError as error:
                is_without_index = isinstance(error, ApiRefused) and error.message.startswith(_NO_INDEX)
                why = f"There is no ConfigMap {CONFIG_MAP}: apply deploy/base, which it is part of."
                why = why if is_without_index else str(error)
                raise RuntimeUnavailable(f"The secret set could not be changed. {why}") from error

    def _of_kind(self, name: str, *, is_registry: bool) -> SecretSet | None:
        known = self._sets.get(name)
        if known is None and len(self._sets) >= MOST_SETS:
            raise InvalidRequest(f"There are {MOST_SETS} secret sets already. Delete one first.")
        if known is not None and (known.registry is not None) is not is_registry:
            raise InvalidRequest(f"The secret set {name!r} holds {known.held}. Choose another name.")
        return known

    async def _store(self, manifest: Mapping[str, Any], changed: SecretSet) -> None:
        """Write a Secret, and then the index. A Secret that no index names would never be deleted.

        The index is claimed first, so that only the controller that wrote it last goes on to the Secret.
        """
        sizes = {name: len(_encode(each)) for name, each in (self._sets | {changed.name: changed}).items()}
        if sum(sizes.values()) > MOST_BYTES:
            raise InvalidRequest("The secret sets have too many variables in all. Remove some first.")
        secret = manifest["metadata"]["name"]
        known = self._sets.get(changed.name)
        is_known = known is not None and secret in self.secrets_of(changed.name)
        await self._write_unless_changed(changed.name, {})
        try:
            await self._client.write_secret(manifest)
        except ApiError as error:
            if not (error.is_certain or is_known):
                await self._client.delete_secret(secret)
            raise
        try:
            await self._index(changed.name, changed)
        except ApiError as error:
            if error.is_certain and not is_known:
                await self._client.delete_secret(secret)
            raise

    async def _remove(self, known: SecretSet, changed: SecretSet | None, secrets: Sequence[str]) -> None:
        """Change the index, and then delete Secrets. Those that can't be deleted stay in the index."""
        await self._index(known.name, changed)
        try:
            for secret in secrets:
                await self._client.delete_secret(secret)
        except ApiError:
            await self._index(known.name, known)
            raise

    async def _index(self, name: str, changed: SecretSet | None) -> None:
        await self._write_unless_changed(name, {name: None if changed is None else _encode(changed)})
        if changed is None:
            self._sets.pop(name, None)
        else:
            self._sets[name] = changed

    async def _write_unless_changed(self, name: str, texts: Mapping[str, str | None]) -> None:
        """Write the index, or only claim it.

        Raises:
            RuntimeUnavailable: another controller has changed this set.
            ApiError: it could not be written.
        """
        before = self._map.data.get(name)

        async def write() -> None:
            if self._map.data.get(name) != before:
                raise RuntimeUnavailable(_CHANGED)
            await self._write(texts)

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_conflict), stop=stop_after_attempt(_MOST_ATTEMPTS), reraise=True
        )
        await retrying(write)

    async def _write(self, texts: Mapping[str, str | None]) -> None:
        """Write the index, or only claim it. After a conflict it has been read again. Raises ApiError."""
        try:
            await (self._map.write(texts) if texts else self._map.claim())
        except ApiError as error:
            if is_conflict(error):
                await self._read_index()
            raise

    async def _read_index(self) -> None:
        await self._map.read()
        decoded = ((name, _decode(name, text)) for name, text in self._map.data.items())
        self._sets = {name: each for name, each in decoded if each is not None}


def secret_name(name: str, key: str) -> str:
    """Return the name of the Secret with one variable of a set."""
    return f"podline-set-{hashlib.sha256(f'{name}/{key}'.encode()).hexdigest()[:_DIGITS]}"


def variable_secret(name: str, key: str, kind: str, content: Mapping[str, str]) -> dict[str, Any]:
    """Return the Secret with one variable of a set, or with its image credentials."""
    data = {each: base64.b64encode(value.encode()).decode() for each, value in content.items()}
    labels = {names.SECRET_SET: names.label_value(name), names.SECRET_KEY: names.label_value(key)}
    metadata = {"name": secret_name(name, key), "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


def _encode(each: SecretSet) -> str:
    return msgspec.json.encode(
        _Entry(updated=each.updated, keys=list(each.keys), registry=each.registry)
    ).decode()


def _decode(name: str, text: str) -> SecretSet | None:
    try:
        entry = msgspec.json.decode(text, type=_Entry)
    except msgspec.MsgspecError:
        log.warning("secret set not understood", extra={"secret_set": name})
        return None
    return SecretSet(name=name, keys=tuple(entry.keys), registry=entry.registry, updated=entry.updated)
