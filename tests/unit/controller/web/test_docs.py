"""Who is served the API's reference, and what of its folder."""

import hashlib
from collections.abc import Mapping

import httpx
import pytest

from controller.web.auth import Key, KeyScope
from testing.fakes.controllers.site import Serve, Site
from testing.web.swagger_ui import is_current

KEYS = (Key("boss", hashlib.sha256(b"boss").hexdigest(), frozenset({KeyScope.ADMIN})),)
PATHS = ("/docs", "/openapi.json", "/docs/page.js", "/docs/swagger-ui-bundle.js")


def told(answer: httpx.Response) -> tuple[int, bytes, Mapping[str, str]]:
    return answer.status_code, answer.content, dict(answer.headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_where_there_are_keys_there_is_nothing_at_its_addresses(
    serve: Serve, path: str, method: str
) -> None:
    async with serve(keys=KEYS, public_start=True) as site:
        headers = {"Authorization": "Bearer boss"}
        answer = await site.client.request(method, path, headers=headers)
        unknown = await site.client.request(method, "/unknown/or-not", headers=headers)
    assert told(answer) == told(unknown)
    assert answer.status_code in (404, 405)


@pytest.mark.parametrize("path", PATHS)
async def test_a_setting_turns_it_on_and_off(serve: Serve, path: str) -> None:
    async with serve(keys=KEYS, docs=True) as site:
        assert (await site.client.get(path)).status_code == 200
    async with serve(docs=False) as site:
        assert (await site.client.get(path)).status_code == 404


@pytest.mark.parametrize("path", PATHS)
async def test_this_machine_is_served_without_keys_and_no_page_of_another_site_is(
    site: Site, path: str
) -> None:
    assert (await site.client.get(path)).status_code == 200
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert (await site.client.get(path, headers=headers)).status_code == 403


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_asks_again_each_time(site: Site, path: str) -> None:
    answer = await site.client.get(path)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_unchanged_file_is_not_sent_again(site: Site) -> None:
    first = await site.client.get("/docs/swagger-ui.css")
    again = await site.client.get("/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js"])
async def test_its_policy_lets_it_load_and_ask_nothing_of_other_sites(site: Site, path: str) -> None:
    policy = (await site.client.get(path)).headers["content-security-policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "/docs/index.html",
        "/docs/vendor",
        "/docs/vendor/SHA256SUMS",
        "/docs/SHA256SUMS",
        "/docs/../app.py",
        "/docs/..%2fapp.py",
        "/docs/%2e%2e/app.py",
        "/docs/..%5capp.py",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
        "/docs/page.js%00",
        "/docs/page.js/",
        "/DOCS",
    ],
)
async def test_nothing_else_of_its_folder_is_served(site: Site, path: str) -> None:
    answer = await site.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_swagger_ui_is_the_pinned_one_unchanged() -> None:
    assert is_current(), "run scripts/generate"
