"""Secret sets in a cluster: one Secret for each variable, and an index without values."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.agents.cluster.secret_sets import (
    CONFIG_MAP,
    MOST_BYTES,
    MOST_KEYS,
    ClusterSecretSets,
    secret_name,
)
from controller.core.errors import InvalidRequest, RuntimeUnavailable
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.runtimes.kubernetes.serving import api_to


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[NamespaceClient]:
    async with api_to(server) as api:
        yield NamespaceClient(api, "podline")


@pytest.fixture
async def sets(client: NamespaceClient) -> ClusterSecretSets:
    found = made(client)
    await found.load()
    return found


def made(client: NamespaceClient) -> ClusterSecretSets:
    return ClusterSecretSets(client, system_clock().now, random.Random(1))  # noqa: S311 - spreads pauses


def secrets(server: ApiServer) -> dict[str, dict[str, str]]:
    """What each Secret holds."""
    return {
        each["metadata"]["name"]: {
            key: base64.b64decode(value).decode() for key, value in each["data"].items()
        }
        for each in server.objects.all("secrets", "podline")
    }


async def test_each_variable_has_a_secret_of_its_own_that_is_replaced(
    server: ApiServer, sets: ClusterSecretSets
) -> None:
    await sets.put("Keys", "A", "1")
    await sets.put("Keys", "B", "2")
    await sets.put("Keys", "A", "3")

    assert sets.secrets_of("Keys") == (secret_name("Keys", "A"), secret_name("Keys", "B"))
    assert secrets(server) == {secret_name("Keys", "A"): {"A": "3"}, secret_name("Keys", "B"): {"B": "2"}}


async def test_the_index_survives_a_restart_and_has_no_value(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "very-secret")
    again = made(client)
    await again.load()

    assert again.all() == sets.all()
    assert "very-secret" not in str(server.objects.get("configmaps", "podline", CONFIG_MAP))


async def test_what_only_a_later_release_knows_of_a_set_is_kept(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "1")
    index = server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]
    news = json.dumps({**json.loads(index["keys"]), "by": "ana"})
    server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": {"keys": news}})
    again = made(client)
    await again.load()
    await again.put("keys", "B", "2")

    kept = json.loads(server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]["keys"])
    assert (kept["by"], kept["keys"]) == ("ana", ["A", "B"])


async def test_no_secret_is_ever_read_or_listed(server: ApiServer, sets: ClusterSecretSets) -> None:
    await sets.put("keys", "A", "1")
    await sets.put("keys", "A", "2")
    await sets.remove_key("keys", "A")

    assert not [each for each in server.asked if "secrets" in each.path and each.method == "GET"]


async def test_what_is_removed_is_gone(server: ApiServer, sets: ClusterSecretSets) -> None:
    await sets.put("keys", "A", "1")
    await sets.put("keys", "B", "2")
    await sets.put_image_credentials("registry", "registry.example.com", "bWU6cGFzcw==")

    assert await sets.remove_key("keys", "A")
    assert not await sets.remove_key("keys", "A")
    assert [each.keys for each in sets.all()] == [("B",), ()]
    assert await sets.remove("keys")
    assert await sets.remove("registry")
    assert not await sets.remove("registry")
    assert (sets.all(), secrets(server)) == ([], {})


async def test_image_credentials_are_a_secret_that_a_kubelet_pulls_with(
    server: ApiServer, sets: ClusterSecretSets
) -> None:
    await sets.put_image_credentials("registry", "registry.example.com", "bWU6cGFzcw==")

    [secret] = server.objects.all("secrets", "podline")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secrets(server)[secret["metadata"]["name"]] == {
        ".dockerconfigjson": '{"auths": {"registry.example.com": {"auth": "bWU6cGFzcw=="}}}'
    }
    with pytest.raises(InvalidRequest, match="holds image credentials"):
        await sets.put("registry", "A", "1")


async def test_a_set_that_only_the_operator_knows_is_their_secret(sets: ClusterSecretSets) -> None:
    assert sets.secrets_of("clerk-keys") == ("clerk-keys",)


async def test_a_set_has_so_many_variables_and_no_more(sets: ClusterSecretSets) -> None:
    for number in range(MOST_KEYS):
        await sets.put("keys", f"K{number}", "1")

    with pytest.raises(InvalidRequest, match="100 variables at most"):
        await sets.put("keys", "ONE_MORE", "1")


@pytest.mark.parametrize(
    ("how", "method", "path"),
    [("refuse", "POST", "/secrets"), ("reset_after", "POST", "/secrets"), ("refuse", "PATCH", CONFIG_MAP)],
)
async def test_what_can_t_be_stored_is_reported_and_leaves_nothing(
    server: ApiServer, sets: ClusterSecretSets, how: Any, method: str, path: str
) -> None:
    server.misbehave(how, method=method, path=path, times=1, status=403, message="not you")

    with pytest.raises(RuntimeUnavailable, match="could not be changed"):
        await sets.put("keys", "A", "very-secret")
    assert (sets.all(), secrets(server)) == ([], {})


async def test_a_variable_that_could_not_be_replaced_is_still_there(
    server: ApiServer, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "1")
    server.misbehave("refuse", method="PATCH", path=CONFIG_MAP, times=1, status=403, message="not you")

    with pytest.raises(RuntimeUnavailable, match="could not be changed"):
        await sets.put("keys", "A", "2")
    assert secrets(server).keys() == {secret_name("keys", "A")}
    assert sets.secrets_of("keys") == (secret_name("keys", "A"),)


async def test_without_the_index_the_sentence_says_what_to_apply(
    server: ApiServer, sets: ClusterSecretSets
) -> None:
    server.objects.delete("configmaps", "podline", CONFIG_MAP)

    with pytest.raises(RuntimeUnavailable, match="no ConfigMap podline-secret-sets: apply deploy/base"):
        await sets.put("keys", "A", "very-secret")
    assert secrets(server) == {}


async def test_what_can_t_be_deleted_is_listed_until_it_can(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "1")
    await sets.put("keys", "B", "2")
    path = f"/secrets/{secret_name('keys', 'A')}"
    server.misbehave("refuse", method="DELETE", path=path, times=2, status=403, message="not you")
    for removal in (sets.remove_key("keys", "A"), sets.remove("keys")):
        with pytest.raises(RuntimeUnavailable, match="could not be changed"):
            await removal
    again = made(client)
    await again.load()

    assert [each.keys for each in again.all()] == [("A", "B")]
    assert await sets.remove("keys")
    assert (sets.all(), secrets(server)) == ([], {})


async def test_nothing_is_changed_before_the_index_is_known(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "1")
    server.misbehave("refuse", method="GET", path=CONFIG_MAP, times=1, status=403, message="not you")
    again = made(client)
    loading = asyncio.create_task(again.load())
    await server.until_asked(lambda asked: asked.method == "GET", times=2)

    with pytest.raises(RuntimeUnavailable, match="not known right now"):
        await again.put("keys", "B", "2")
    await loading
    await again.put("keys", "B", "2")
    assert [each.keys for each in again.all()] == [("A", "B")]


async def test_all_sets_together_fit_into_their_index(server: ApiServer, client: NamespaceClient) -> None:
    long = [f"K{number:063}" for number in range(MOST_KEYS)]
    entry = json.dumps({"updated": "2026-01-01T00:00:00Z", "keys": long}, separators=(",", ":"))
    data = {f"set-{number}": entry for number in range(MOST_BYTES // len(entry))}
    server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": data})
    sets = made(client)
    await sets.load()

    async def fill() -> None:
        for key in long:
            await sets.put("another", key, "1")

    with pytest.raises(InvalidRequest, match="too many variables in all"):
        await fill()
    index = server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]
    assert sum(map(len, index.values())) <= MOST_BYTES
    assert len(secrets(server)) == len(sets.secrets_of("another"))


async def test_an_entry_that_somebody_changed_is_left_out(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets
) -> None:
    await sets.put("keys", "A", "1")
    server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": {"other": "[]"}})
    again = made(client)
    await again.load()

    assert [each.name for each in again.all()] == ["keys"]


async def test_a_value_is_in_no_error_no_log_and_no_text_of_an_object(
    server: ApiServer, client: NamespaceClient, sets: ClusterSecretSets, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said = []
    for how, path in (("refuse", "/secrets"), ("reset_after", "/secrets"), ("reset_after", CONFIG_MAP)):
        server.misbehave(how, path=path)  # type: ignore[arg-type]
        with pytest.raises(RuntimeUnavailable) as refused:
            await sets.put("keys", "A", "very-secret")
        said += [repr(refused.value), repr(refused.value.__cause__)]
    await sets.put("keys", "A", "very-secret")

    assert "very-secret" not in " ".join(
        [*said, caplog.text, repr(sets.all()), repr(vars(sets)), repr(client)]
    )
    assert base64.b64encode(b"very-secret").decode() not in " ".join([*said, caplog.text])
