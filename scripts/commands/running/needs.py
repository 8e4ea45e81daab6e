"""What the tests need beside Python's packages: a browser, Prometheus, what Go builds, a node's packages."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.commands.programs import ROOT
from scripts.commands.running.preparing import (
    UNAVAILABLE,
    LeftOutError,
    Make,
    Preparation,
    PreparationError,
)
from scripts.commands.running.processes import RunLogged, run_logged

BUILT_BY_GO: Final = "they need Linux or macOS, and Go 1.26 or later (go.dev)"
NODE_PACKAGES: Final = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "iproute2", "procps"),
    *("podman", "buildah", "debootstrap", "busybox-static", "openssl"),
)
NODE_PROGRAMS: Final = (
    *("containerd", "runc", "iptables", "ip", "sysctl", "podman", "buildah", "debootstrap", "busybox"),
    "openssl",
)
_CNI: Final = Path("/usr/lib/cni/bridge")
_APT: Final = {"DEBIAN_FRONTEND": "noninteractive"}
_UNPACKED: Final = ROOT / ".tools" / "prometheus"
UNPACKED_PROMETHEUS: Final = _UNPACKED / "usr" / "bin"
"""Where the programs of Debian's package are, once they are needed and the PATH has none."""


def module(name: str, modules: Sequence[str], without: str, *, needed: bool = False) -> Preparation:
    """Return a preparation by modules of `testing`; `without` says what is left out where they can't."""

    async def make(log: Path, run: RunLogged) -> None:
        for each in modules:
            code = await run((sys.executable, "-m", each), log)
            if code == UNAVAILABLE:
                raise LeftOutError(without)
            if code != 0:
                raise PreparationError.of(name, log)

    return Preparation(name, make, needed)


def is_root() -> bool:
    return os.geteuid() == 0


async def install_packages(packages: Sequence[str], log: Path, run: RunLogged) -> bool:
    """Install Debian's packages. Return False if this is not Debian, not root, or it fails."""
    if not is_root() or shutil.which("apt-get") is None:
        return False
    await run(("apt-get", "update", "-qq"), log, _APT)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    return await run(install, log, _APT) == 0


async def _make_browser(log: Path, run: RunLogged) -> None:
    """Find the system's Chromium, else install Debian's package, else Playwright's own."""
    look = (sys.executable, str(ROOT / "testing" / "callers" / "browser.py"))
    if await run(look, log) == 0:
        return
    await install_packages(["chromium"], log, run)
    if await run(look, log) == 0:
        return
    playwright = str(Path(sys.executable).parent / "playwright")
    await run((playwright, "install", "chromium"), log)
    if await run(look, log) != 0:
        raise LeftOutError(
            "the tests in a browser: install Chromium (on Debian, as root: apt-get install chromium)"
        )


async def _make_prometheus(log: Path, run: RunLogged) -> None:
    if not await ensure_prometheus(log, run):
        raise LeftOutError(
            "the tests that ask Prometheus: put prometheus and promtool on the PATH "
            "(on Debian: apt-get install prometheus)"
        )


async def ensure_prometheus(log: Path, run: RunLogged = run_logged) -> bool:
    """Find Prometheus and promtool, else unpack Debian's package, which then starts no service."""
    if all(shutil.which(each) for each in ("prometheus", "promtool")) or _is_unpacked():
        return True
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _UNPACKED.mkdir(parents=True, exist_ok=True)
        if is_root():
            await run(("apt-get", "update", "-qq"), log)
        unpack = "apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb ."
        await run(("sh", "-c", f'cd "$1" && {unpack}', "sh", str(_UNPACKED)), log)
    return _is_unpacked()


def _is_unpacked() -> bool:
    return os.access(UNPACKED_PROMETHEUS / "promtool", os.X_OK)


async def _install_node_packages(log: Path, run: RunLogged) -> None:
    if sys.platform != "linux" or not is_root() or shutil.which("apt-get") is None:
        raise LeftOutError("the tests on real nodes: they need Debian or Ubuntu, and root")
    if all(map(shutil.which, NODE_PROGRAMS)) and _CNI.exists():
        return
    if not await install_packages(NODE_PACKAGES, log, run):
        raise PreparationError.of(f"the node's packages (apt-get install {' '.join(NODE_PACKAGES)})", log)


def _after(first: Make, second: Preparation) -> Preparation:
    async def make(log: Path, run: RunLogged) -> None:
        await first(log, run)
        await second.make(log, run)

    return Preparation(second.name, make, second.needed)


BROWSER: Final = Preparation("browser", _make_browser)
PROMETHEUS: Final = Preparation("prometheus", _make_prometheus)
WEB: Final = module(
    "example web app",
    ["testing.builds.web_example"],
    "the tests of the example web app: they need Node 20.19 or later, with npm (nodejs.org)",
)
ROOMS: Final = module(
    "livekit",
    ["testing.builds.livekit"],
    f"the tests in rooms, unless livekit-server is on the PATH: {BUILT_BY_GO}",
)
COLLECTOR: Final = module("collector", ["testing.servers.collector"], f"the tests of traces: {BUILT_BY_GO}")
TURN: Final = module("turn", ["testing.servers.turn"], f"the tests with a TURN server: {BUILT_BY_GO}")
CLUSTER: Final = module(
    "control plane", ["testing.builds.binaries"], f"the tests on a cluster: {BUILT_BY_GO}", needed=True
)
NODE: Final = _after(
    _install_node_packages,
    module("node programs", ["testing.builds.node"], f"the tests on real nodes: {BUILT_BY_GO}", needed=True),
)
IMAGES: Final = _after(
    _install_node_packages,
    module(
        "node images",
        ["testing.builds.images", "testing.builds.agent_image"],
        "the tests on real nodes: this machine can't build images; the preparation's log says why",
        needed=True,
    ),
)
