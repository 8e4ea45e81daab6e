"""Pods as their kubelet sees them, as far as it needs them to start a bot."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec


class _State(msgspec.Struct):
    phase: str = ""


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _SecretRef(msgspec.Struct):
    name: str = ""


class _Source(msgspec.Struct, rename="camel"):
    secret_ref: _SecretRef | None = None


class _Container(msgspec.Struct, rename="camel"):
    env: list[_Variable] = []
    env_from: list[_Source] = []


class _Spec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    termination_grace_period_seconds: float = 30.0
    containers: list[_Container] = []


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None
    resource_version: str = ""


class PlayedPod(msgspec.Struct):
    """As much of a pod as its bot needs."""

    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _State = msgspec.field(default_factory=_State)

    @property
    def secret(self) -> str:
        """The name of the session's Secret, which is the last one."""
        sources = reversed(self.spec.containers[0].env_from)
        return next(each.secret_ref.name for each in sources if each.secret_ref)

    def environment(self, secret: Mapping[str, str]) -> dict[str, str]:
        """Return the container's environment, with the data of the session's Secret."""
        decoded = {name: base64.b64decode(value).decode() for name, value in secret.items()}
        # No value refers to another: the controller escapes them all.
        own = {each.name: each.value.replace("$$", "$") for each in self.spec.containers[0].env}
        return decoded | own


class PodList(msgspec.Struct):
    """An answer to a list request."""

    metadata: _Meta
    items: list[PlayedPod] = []


class PodEvent(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw
