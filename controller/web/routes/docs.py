"""The routes of the API's reference: a page to read and try it, and the description that the page shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from controller.web.errors import NotFound

router = APIRouter(include_in_schema=False)

_DIRECTORY: Final = Path(__file__).parents[1] / "docs"
_FILES: Final = {
    "page.css": "page.css",
    "page.js": "page.js",
    "swagger-ui.css": "vendor/swagger-ui.css",
    "swagger-ui-bundle.js": "vendor/swagger-ui-bundle.js",
}
"""All files that the page loads, by name. Nothing else in the directory is served."""
_HEADERS: Final = {
    # Images are in the style sheet. The page asks only this server, and no other page may frame it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # A browser asks again each time, so that no other release's page shows this one's description.
    "Cache-Control": "no-cache",
}
_static: Final = StaticFiles(directory=_DIRECTORY, check_dir=False)


@router.get("/openapi.json")
async def read_description(request: Request) -> Response:
    """Return the OpenAPI document."""
    content = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":"))
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.get("/docs")
async def read_page() -> Response:
    """Return the page."""
    return FileResponse(_DIRECTORY / "index.html", headers=_HEADERS)


@router.get("/docs/{name}")
async def read_file(name: str, request: Request) -> Response:
    """Return a file of the page."""
    if name not in _FILES:
        raise NotFound
    response = await _static.get_response(_FILES[name], request.scope)
    response.headers.update(_HEADERS)
    return response
