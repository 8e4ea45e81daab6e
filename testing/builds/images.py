"""Builds the images of this checkout and keeps them as archives that a node can import.

Run as `python -m testing.builds.images` it makes them available and prints where each of them is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from testing.builds import binaries
from testing.builds import node as node_binaries
from testing.builds.base_image import MachineUnfitError, ensure_base, ensure_node_base, require_programs
from testing.builds.binaries import only_one, print_built, report
from testing.builds.livekit import ensure_livekit
from testing.builds.podman import Podman
from testing.node.worker import PAUSE_IMAGE

ROOT: Final = Path(__file__).parents[2]
CODE: Final = {
    "bot": ("bot", "podline"),
    "controller": ("controller", "podline"),
    "sandbox": ("sandbox", "podline"),
}
"""The packages in each image."""

INGREDIENTS: Final = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "uv.lock",
    "scripts/site/images.py",
    "scripts/uv.txt",
)
SOURCES: Final = {
    **{name: (*INGREDIENTS, *packages) for name, packages in CODE.items()},
    "runner": (*INGREDIENTS, "podline"),
    "web": ("scripts/site/images.py", "examples/nextjs"),
}
"""What scripts/build-images makes, and the files and folders that each image is made of."""

NOT_SOURCES: Final = {"__pycache__", "node_modules", ".next"}
LIVEKIT_IMAGE: Final = "docker.io/livekit/livekit-server:v1.11.0"
"""As deploy/overlays/selfhosted names it."""

DNS_IMAGE: Final = "localhost/coredns:1"
"""The cluster's DNS, of the program that testing/builds/parts/coredns is for."""

KEPT: Final = 2
"""How many archives of one image stay in the cache: those of checkouts that take turns."""

UNUSED_LAYERS: Final = "until=168h"


def cache_directory() -> Path:
    return binaries.cache_directory().with_name("images")


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def image_name(name: str) -> str:
    """The full name of one of our images, as a node knows it."""
    return f"docker.io/library/podline-{name}:{version()}"


def ensure_images() -> dict[str, Path]:
    """Say where the archive of each image is, once all of them are there."""
    cache = cache_directory()
    wanted = {name: cache / f"{name}-{_key(name)}.tar" for name in SOURCES}
    wanted["pause"] = cache / "pause-1.tar"
    wanted["livekit"] = cache / "livekit-1.11.0.tar"
    wanted["coredns"] = cache / f"coredns-{node_binaries.COREDNS.key}.tar"
    if not all(path.exists() for path in wanted.values()):
        with only_one(cache, "the images"):
            for name, path in wanted.items():
                if not path.exists():
                    _make(name, path)
            forget_old(cache, wanted)
    for path in wanted.values():
        # The ones used last are kept.
        path.touch()
    return wanted


def in_podman(podman: Podman, name: str) -> str:
    """By what name Podman can run the image: one that another checkout's build does not take away."""
    own_name = _own_name(name, _key(name))
    if podman.attempt("image", "exists", own_name).returncode != 0:
        podman("load", "--quiet", "--input", str(ensure_images()[name]))
        podman("tag", image_name(name), own_name)
    return own_name


def _own_name(name: str, key: str) -> str:
    return f"localhost/podline-{name}:{key}"


def _key(name: str) -> str:
    """What decides about an image: how it is made and the code that goes into it."""
    return key_of(SOURCES[name])


def key_of(sources: Iterable[str]) -> str:
    """Return a key that changes with any of these files and folders."""
    digest = hashlib.sha256()
    for path in [path for source in sources for path in _files(ROOT / source)]:
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(set(folders) - NOT_SOURCES)
        files += [Path(folder) / name for name in sorted(names)]
    return files


def _make(name: str, path: Path) -> None:
    """Build it and save it."""
    require_programs()
    report(f"Making the image '{name}' ...")
    began = time.monotonic()
    podman = Podman(cache_directory())
    if name == "pause":
        image = PAUSE_IMAGE
        _build_of_one_file(podman, _busybox(), image, ["/busybox", "sleep", "2147483647"])
    elif name == "livekit":
        image = LIVEKIT_IMAGE
        _build_of_one_file(podman, ensure_livekit(), image, ["/livekit-server"])
    elif name == "coredns":
        image = DNS_IMAGE
        _build_of_one_file(
            podman, binaries.ensure_binaries([node_binaries.COREDNS])["coredns"], image, ["/coredns"]
        )
    else:
        image = image_name(name)
        _build(podman, name)
    save(podman, image, path)
    report(f"Made it in {time.monotonic() - began:.0f} s.")


def save(podman: Podman, image: str, path: Path) -> None:
    """Save an image as an archive, beside its path until it is whole."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        podman("save", "--quiet", "--format", "docker-archive", "--output", str(unfinished), image)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _build(podman: Podman, name: str) -> None:
    podman("tag", build_by_script(podman, name), image_name(name), _own_name(name, _key(name)))


def build_by_script(podman: Podman, name: str) -> str:
    """Build one of our images as a user does, and return its name in Podman."""
    base = ensure_node_base(podman) if name == "web" else ensure_base(podman)
    variable = "PODLINE_NODE_IMAGE" if name == "web" else "PODLINE_BASE_IMAGE"
    variables = {variable: base, "PODLINE_IMAGE_TOOL": "podman"}
    subprocess.run(  # noqa: S603 - our own
        [ROOT / "scripts" / "build-images", name],
        env={**podman.for_scripts, **variables},
        stdout=sys.stderr,
        check=True,
    )
    return f"localhost/podline-{name}:{version()}"


def _busybox() -> Path:
    """Debian's static one: all that holds a pod's namespaces."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise MachineUnfitError("The node's images need a static busybox: apt-get install busybox-static.")
    return Path(busybox)


def _build_of_one_file(podman: Podman, program: Path, image: str, command: list[str]) -> None:
    """An image of a program that needs nothing beside it."""
    with tempfile.TemporaryDirectory() as directory:
        name = Path(command[0]).name
        shutil.copy(program, Path(directory) / name)
        archive = Path(directory) / "root.tar"
        subprocess.run(["tar", "-C", directory, "-cf", archive, name], check=True)  # noqa: S603, S607 - our own
        podman("import", "--quiet", "--change", f"ENTRYPOINT {json.dumps(command)}", str(archive), image)


def forget_old(cache: Path, wanted: dict[str, Path]) -> None:
    """Keep only the wanted images' archives that were used last."""
    podman = Podman(cache)
    for name in wanted:
        archives = sorted(cache.glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in archives[KEPT:]:
            if path not in wanted.values():
                path.unlink()
                podman.attempt("rmi", _own_name(name, path.stem.removeprefix(f"{name}-")))
    podman("image", "prune", "--force", "--filter", UNUSED_LAYERS)


def main() -> int:
    return print_built("the images", lambda: ensure_images().values(), MachineUnfitError)


if __name__ == "__main__":
    sys.exit(main())
