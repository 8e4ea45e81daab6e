"""Secret sets in memory, with their values for a test to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from controller.core.secret_sets import SecretSet

AT = datetime(2026, 1, 1, tzinfo=UTC)


class MemorySecretSets:
    """Implements `SecretSets`. `values` are those of each set, `registries` the credentials of each host."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.registries: dict[str, tuple[str, str]] = {}

    def all(self) -> Sequence[SecretSet]:
        variables = [
            SecretSet(name=name, keys=tuple(sorted(keys)), updated=AT) for name, keys in self.values.items()
        ]
        registries = [
            SecretSet(name=name, registry=host, updated=AT) for name, (host, _) in self.registries.items()
        ]
        return sorted([*variables, *registries], key=lambda each: each.name)

    def find(self, name: str) -> SecretSet | None:
        return next((each for each in self.all() if each.name == name), None)

    async def put(self, name: str, key: str, value: str) -> None:
        self.values.setdefault(name, {})[key] = value

    async def put_image_credentials(self, name: str, registry: str, credentials: str) -> None:
        self.registries[name] = registry, credentials

    async def remove_key(self, name: str, key: str) -> bool:
        return self.values.get(name, {}).pop(key, None) is not None

    async def remove(self, name: str) -> bool:
        gone = self.values.pop(name, None) or self.registries.pop(name, None)
        return gone is not None
