"""Panels in ConfigMaps: beside the definition, within the bounds that files have."""

from __future__ import annotations

import pytest

from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.followed_agents import define, following


async def test_a_panel_is_a_key_of_the_configmap(server: ApiServer) -> None:
    async with following(server) as followed:
        assert "<title>Products" in (followed.status("shopping").panel or "")
        define(server, podline='panel = "cards"\n', files={"cards.html": "<p>one</p>", "notes.html": ""})
        deployed = await followed.change()
        panels = {"cards.html": "<p>two</p>", "podline.toml": 'panel = "cards"\nidle_seconds = true\n'}
        server.objects.patch("configmaps", "podline", "agent-clerk", {"data": panels})
        broken = await followed.change()
        server.objects.patch("configmaps", "podline", "agent-clerk", {"data": {"podline.toml": ""}})
        without = await followed.change()

    assert deployed.panel == "<p>one</p>"
    assert deployed.notes == (
        "notes.html has no effect. In a ConfigMap only pcc-deploy.toml, podline.toml and the panel are read.",
    )
    assert (broken.panel, broken.version) == ("<p>one</p>", deployed.version)
    assert without.panel is None
    assert without.notes[0].startswith("cards.html has no effect.")


@pytest.mark.parametrize(
    "files",
    [{}, {"cards.html": "x" * 262_145}, {"cards.html": "\u00e9" * 131_073}],
    ids=["none", "long", "wide"],
)
async def test_a_panel_that_is_missing_or_too_long_is_named(server: ApiServer, files: dict[str, str]) -> None:
    async with following(server) as followed:
        define(server, podline='panel = "cards"\n', files=files)
        problem = (await followed.change()).problem

    assert problem == (
        "podline.toml: panel: write the panel into the key cards.html of the ConfigMap, in at most 262144 "
        "bytes."
    )
