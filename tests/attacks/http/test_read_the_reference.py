"""The API's reference is at the public port only, and in production at none unless somebody asks for it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from testing.fakes.controllers.served import ServeController
from testing.processes import ROOT, free_port

PATHS = ("/docs", "/docs/", "//docs", "/openapi.json", "/docs/page.js", "/docs/swagger-ui-bundle.js")
ASKS_FOR_IT = {"deploy/overlays/kind"}
"""Overlays of a cluster on the operator's own machine."""


@pytest.mark.parametrize("path", PATHS)
async def test_neither_the_bots_port_nor_the_metrics_port_has_it(serve: ServeController, path: str) -> None:
    port = free_port()
    async with serve(metrics_port=port, docs=True) as controller, httpx.AsyncClient() as client:
        assert (await controller.client.get("/docs")).status_code == 200
        for url in (controller.url_for_bots, f"http://127.0.0.1:{port}"):
            assert (await client.get(f"{url}{path}")).status_code == 404


def test_no_manifest_for_production_asks_for_it() -> None:
    asking = {
        str(file.parent.relative_to(ROOT))
        for file in Path(ROOT, "deploy").rglob("*.yaml")
        if any("PODLINE_DOCS" in str(document) for document in yaml.safe_load_all(file.read_text()))
    }
    assert asking == ASKS_FOR_IT
