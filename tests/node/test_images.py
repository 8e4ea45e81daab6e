"""What is in the images, what is not, and how they are started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from testing.builds.base_image import ensure_base
from testing.builds.images import CODE, cache_directory, in_podman, version
from testing.builds.podman import LOCKED_DOWN, Podman

MEGABYTES_ON_TOP: Final = {"bot": 420, "controller": 220, "sandbox": 350}
TOOLS: Final = "cc gcc g++ clang ld make cargo uv git"

IMPORT_ALL: Final = """
import importlib, os, pkgutil, sys
# The assistant reads its settings when it is imported.
os.environ.update(GOOGLE_API_KEY="a-key", CONVEX_URL="http://127.0.0.1:9")
for package in sys.argv[1:]:
    importlib.import_module(package)
    found = pkgutil.walk_packages([f"/opt/podline/code/{package}"], f"{package}.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    for name in names:
        importlib.import_module(name)
    print(package, len(names))
"""

WITHOUT_BYTECODE: Final = """
import importlib.util, pathlib, sys, sysconfig
def is_current(source):
    stored = pathlib.Path(importlib.util.cache_from_source(str(source)))
    if not stored.exists():
        return False
    head, stat = stored.read_bytes()[:16], source.stat()
    stamp = (int(stat.st_mtime).to_bytes(4, "little"), stat.st_size.to_bytes(4, "little"))
    return (head[:4], head[8:12], head[12:]) == (importlib.util.MAGIC_NUMBER, *stamp)
folders = ["/opt/podline/code", *sys.path[-1:], sysconfig.get_path("stdlib") + "/asyncio"]
sources = [source for folder in folders for source in pathlib.Path(folder).rglob("*.py")]
print(len(sources), *[source for source in sources if not is_current(source)])
"""

WHERE_THE_RUNNER_IS: Final = """
import sys; sys.path.insert(0, "/podline")
import podline, pathlib
source = pathlib.Path(podline.__file__)
stored = pathlib.Path(podline.__cached__).read_bytes()
print(source, int.from_bytes(stored[8:12], "little") == int(source.stat().st_mtime))
"""
"""And whether the bytecode beside it is still valid."""


@pytest.fixture(scope="module")
def podman() -> Podman:
    return Podman(cache_directory())


@pytest.fixture(params=CODE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(podman: Podman, name: str) -> str:
    return in_podman(podman, name)


def described(podman: Podman, image: str) -> dict[str, Any]:
    [found] = json.loads(podman("image", "inspect", image))
    return dict(found)


def within(podman: Podman, image: str, *command: str) -> str:
    """What a command prints that is run in a locked down container."""
    program, *arguments = command
    return podman("run", "--rm", "--network=none", *LOCKED_DOWN, f"--entrypoint={program}", image, *arguments)


def test_it_is_small(podman: Podman, name: str, image: str) -> None:
    base = described(podman, ensure_base(podman))["Size"]
    megabytes = (described(podman, image)["Size"] - base) / 1e6

    print(f"\npodline-{name}: {megabytes:.0f} MB on top of the base image's {base / 1e6:.0f}")  # noqa: T201
    assert megabytes < MEGABYTES_ON_TOP[name]


def test_it_says_what_it_is(podman: Podman, name: str, image: str) -> None:
    labels = described(podman, image)["Labels"]
    shown = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}

    assert (shown["title"], shown["version"]) == (f"podline-{name}", version())
    assert shown["licenses"] == "BSD-2-Clause"
    assert all(shown[key] for key in ("description", "source", "revision"))


def test_it_runs_as_nobody_in_particular_and_can_write_in_tmp_alone(podman: Podman, image: str) -> None:
    assert described(podman, image)["Config"]["User"] == "10001:10001"
    assert within(podman, image, "id").startswith("uid=10001(podline) gid=10001(podline) ")

    find = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/sys/*' 2> /dev/null || true"
    writable = podman("run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", find).splitlines()
    # Debian's own world-writable directories, none of which is there for long where the root is read-only.
    assert set(writable) <= {"/run/lock", "/tmp", "/var/tmp"}  # noqa: S108 - looked for


def test_nothing_of_its_making_is_left(podman: Podman, image: str) -> None:
    tools = within(podman, image, "sh", "-c", f"for tool in {TOOLS}; do command -v $tool; done; true")
    listing = "ls -d /build /root/.cache /var/cache/apt/*.bin /var/lib/apt/lists/*_* 2> /dev/null || true"
    # As root, from whom nothing is hidden.
    left = podman("run", "--rm", "--network=none", "--user=0", "--entrypoint=sh", image, "-c", listing)

    assert (tools, left) == ("", "")


def test_nothing_of_this_machine_is_told(podman: Podman, image: str) -> None:
    inspected = podman("image", "inspect", image) + podman("history", "--no-trunc", image)
    machine = ("SSL_CERT", "PIP_", "PROXY", "proxy", "/run/secrets")

    assert [word for word in machine if word in inspected] == []


def test_all_modules_can_be_imported_and_no_others_are_there(podman: Podman, name: str, image: str) -> None:
    imported = within(podman, image, "python", "-c", IMPORT_ALL, *CODE[name]).splitlines()
    sources = within(podman, image, "find", "/opt/podline/code", "-name", "*.py", "-printf", "%P\n").split()

    assert [line.split()[0] for line in imported] == list(CODE[name])
    assert {source.partition("/")[0] for source in sources} == set(CODE[name])


def test_all_is_compiled(podman: Podman, image: str) -> None:
    count, *without = within(podman, image, "python", "-c", WITHOUT_BYTECODE).split()

    assert int(count) > 100
    assert without == []


def test_the_runner_is_copied_beside_a_bot_and_runs_there(podman: Podman, tmp_path: Path) -> None:
    """As the init container of deploy/base/bot-job.yaml does it."""
    tmp_path.chmod(0o777)
    runner = in_podman(podman, "runner")
    podman("run", "--rm", "--network=none", *LOCKED_DOWN, f"--volume={tmp_path}:/copy", runner)
    beside = ("--network=none", *LOCKED_DOWN, f"--volume={tmp_path}:/podline:ro", "--entrypoint=python")

    copied = podman("run", "--rm", *beside, in_podman(podman, "bot"), "-c", WHERE_THE_RUNNER_IS)
    ran = podman.attempt("run", "--rm", *beside, in_podman(podman, "bot"), "/podline")

    assert described(podman, runner)["Config"]["User"] == "10001:10001"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["__main__.py", "podline"]
    assert copied.split() == ["/podline/podline/__init__.py", "True"]
    assert ran.returncode == 64
    assert "SESSION_ID" in ran.stderr
