"""A kubeconfig that can't be used is refused in a sentence, which holds nothing of its secrets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid
from testing.fakes.kubernetes.kubeconfig import write_kubeconfig

TOKEN: Final = "the-token-of-a-person"
URL: Final = "http://127.0.0.1:1"


def complaint(path: Path) -> str:
    with pytest.raises(ConfigurationInvalid) as caught:
        asyncio.run(Access(str(path)).configuration())
    return str(caught.value)


def good(tmp_path: Path, **user: Any) -> Path:
    return write_kubeconfig(tmp_path / "config", URL, **(user or {"token": TOKEN}))


def changed(path: Path, **fields: Any) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}), encoding="utf-8")
    return path


def test_the_contexts_address_token_and_namespace_are_used(tmp_path: Path) -> None:
    access = Access(str(write_kubeconfig(tmp_path / "config", URL, namespace="calls", token=TOKEN)))
    configuration = asyncio.run(access.configuration())

    assert configuration.host == URL
    assert configuration.api_key["BearerToken"] == f"Bearer {TOKEN}"
    assert access.namespace() == "calls"


def test_a_context_without_a_namespace_means_the_default_one(tmp_path: Path) -> None:
    assert (
        Access(str(write_kubeconfig(tmp_path / "config", URL, namespace="", token=TOKEN))).namespace()
        == "default"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = complaint(tmp_path / "nowhere")

    assert message.startswith(f"No cluster was found: there is no kubeconfig at {tmp_path}/nowhere")
    assert message.endswith(".")


@pytest.mark.parametrize(
    "fields",
    [
        {"current-context": None},
        {"current-context": "elsewhere"},
        {"contexts": None},
        {"contexts": [{"name": "here", "context": {"cluster": "none", "user": "podline"}}]},
        {"clusters": [{"name": "fake", "cluster": {}}]},
        {"clusters": [{"name": "fake"}]},
        {"users": [{"name": "podline", "user": {"tokenFile": "/nowhere/token"}}]},
        {"users": "all"},
        {"clusters": 5},
        {"contexts": {"here": {}}},
    ],
    ids=str,
)
def test_a_part_that_is_missing_or_odd_is_complained_of(tmp_path: Path, fields: dict[str, Any]) -> None:
    message = complaint(changed(good(tmp_path), **fields))

    assert message.startswith(f"The kubeconfig {tmp_path}/config can't be used: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert TOKEN not in message


@pytest.mark.parametrize("command", ["/nowhere", "false", "pwd"])
def test_a_plugin_that_gives_no_credentials_is_complained_of(tmp_path: Path, command: str) -> None:
    plugin = {"command": command, "apiVersion": "client.authentication.k8s.io/v1"}

    assert complaint(good(tmp_path, exec=plugin)).endswith(".")


@pytest.mark.parametrize(
    "text",
    ["", "just words", "- a\n- list\n", "5", f"token: [{TOKEN}\n", f"{TOKEN}: }}", "\x00", "a: b: c"],
    ids=repr,
)
def test_what_is_no_kubeconfig_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="utf-8")
    message = complaint(tmp_path / "config")

    assert message.startswith(f"The kubeconfig {tmp_path}/config can't be used: ")
    assert TOKEN not in message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")

    assert complaint(tmp_path / "config").startswith("The kubeconfig")


WORDS = st.sampled_from(["here", "fake", "podline", "", URL])
KEYS = st.sampled_from(
    [
        "name",
        "user",
        "cluster",
        "context",
        "server",
        "token",
        "exec",
        "users",
        "contexts",
        "clusters",
        "namespace",
    ]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["clusters", "users", "contexts", "current-context"]), ODD)
def test_whatever_stands_in_it_is_used_or_refused(tmp_path: Path, part: str, odd: Any) -> None:
    path = changed(good(tmp_path), **{part: odd})
    try:
        asyncio.run(Access(str(path)).configuration())
    except ConfigurationInvalid as error:
        assert TOKEN not in str(error)  # noqa: PT017 - either is fine


def test_several_files_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    one = yaml.safe_load(good(tmp_path).read_text())
    users = tmp_path / "users"
    users.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "users": one.pop("users")}))
    (tmp_path / "rest").write_text(yaml.safe_dump(one))
    access = Access(f"{tmp_path}/rest:{users}")

    assert asyncio.run(access.configuration()).api_key["BearerToken"] == f"Bearer {TOKEN}"
