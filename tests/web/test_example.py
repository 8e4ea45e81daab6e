"""What a web developer would check of the example before using it."""

import json
import re
import subprocess

import pytest

from controller.web.app import PAGE
from testing.builds import web_example as example
from testing.builds.web_example import EXAMPLE, NodeUnavailableError
from testing.leaving_out import leave_out


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    try:
        example.install()
    except NodeUnavailableError as error:
        leave_out(str(error))


@pytest.mark.parametrize("script", ["check:generated", "check:format", "check:lint", "check:types", "test"])
def test_its_own_checks_pass(script: str) -> None:
    done = example.run(script)
    assert done.returncode == 0, done.stdout


def test_it_builds_and_its_server_alone_knows_key_and_controller() -> None:
    try:
        example.build()
    except subprocess.CalledProcessError as error:
        pytest.fail(str(error))
    for path in (EXAMPLE / ".next" / "static").rglob("*.js"):
        assert not re.search("ORCHESTRATOR_URL|PODLINE_API_KEY|SESSION_SECRET", path.read_text()), path.name


def test_the_controllers_page_has_livekits_client_as_npm_verified_it() -> None:
    """Both name one version, so an update of the example's lock is one of the page's copy too."""
    package = EXAMPLE / "node_modules" / "livekit-client"
    ours = PAGE / "vendor" / "livekit-client.esm.mjs"
    assert ours.read_bytes() == (package / "dist" / ours.name).read_bytes()
    version = json.loads((package / "package.json").read_text())["version"]
    assert f"livekit-client {version}," in (ours.parent / "LICENSES.txt").read_text()


def test_its_lock_names_no_registry() -> None:
    lock = (EXAMPLE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert not re.search(r"://[^/]*registry", lock)
