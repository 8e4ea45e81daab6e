"""Finds the programs of a cluster, and builds those that are nowhere yet into a cache outside the checkout.

Run as `python -m testing.builds.binaries` it makes them available and prints where each of them is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from podline.machine_errors import explain_error
from testing.builds.go import GoUnavailableError, find_go

ASSETS = "KUBEBUILDER_ASSETS"
"""The variable by which envtest names a folder of binaries."""

MODULES = Path(__file__).parent / "parts"
"""Where each module is locked."""

BUILD_FLAGS = ("-trimpath", "-buildvcs=false")
STRIP = "-s -w"
REAL_VERSION = "-X k8s.io/component-base/version.gitVersion=v1.37.2"
"""Without it the apiserver says it is v0.0.0."""


@dataclass(frozen=True)
class GoModule:
    """A folder with a Go module, and the programs it is for: others', or one of its own."""

    directory: Path
    packages: Mapping[str, str]
    linker_flags: str = STRIP

    @property
    def module(self) -> str:
        return self.directory.name

    @property
    def key(self) -> str:
        """What decides about the binaries: the locked modules, sources of its own, and the flags."""
        digest = hashlib.sha256()
        for path in (self.directory / "go.mod", self.directory / "go.sum", *self.directory.glob("*.go")):
            digest.update(path.read_bytes())
        digest.update(" ".join((*BUILD_FLAGS, self.linker_flags)).encode())
        return digest.hexdigest()[:12]


KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
OF_KUBERNETES = f"{STRIP} {REAL_VERSION}"
PARTS = (
    GoModule(MODULES / "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    GoModule(MODULES / "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    GoModule(
        MODULES / "kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES},
        OF_KUBERNETES,
    ),
)


@dataclass(frozen=True)
class Binary:
    """One program: its path in the cache, and how to build it."""

    name: str
    package: str
    part: GoModule
    path: Path

    def build(self, go: Path) -> None:
        """Build it beside its path, then move it there, so that a half-built one is never found."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f".{self.name}.{os.getpid()}")
        flags = (*BUILD_FLAGS, f"-ldflags={self.part.linker_flags}")
        try:
            subprocess.run(  # noqa: S603 - our own modules
                [go, "build", *flags, "-o", unfinished, self.package],
                cwd=self.part.directory,
                env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"},
                stdout=sys.stderr,
                check=True,
            )
            unfinished.rename(self.path)
        finally:
            unfinished.unlink(missing_ok=True)


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podline" / "cluster"


def ensure_binaries(parts: Sequence[GoModule] = PARTS, cache: Path | None = None) -> dict[str, Path]:
    """Say where each program is, once all of them are there."""
    cache = cache or cache_directory()
    wanted = [
        Binary(name, package, part, cache / f"{part.module}-{part.key}" / name)
        for part in parts
        for name, package in part.packages.items()
    ]
    given = given_binaries(parts)
    if any(binary.name not in given and not binary.path.exists() for binary in wanted):
        with only_one(cache):
            build(
                [binary for binary in wanted if binary.name not in given and not binary.path.exists()], cache
            )
    return {binary.name: given.get(binary.name, binary.path) for binary in wanted}


def given_binaries(parts: Sequence[GoModule]) -> dict[str, Path]:
    """What the user's own folder has."""
    folder = os.environ.get(ASSETS)
    if not folder:
        return {}
    found = {name: Path(folder) / name for part in parts for name in part.packages}
    return {name: path.absolute() for name, path in found.items() if os.access(path, os.X_OK)}


@contextlib.contextmanager
def only_one(cache: Path, what: str = "the tests' programs") -> Iterator[None]:
    """Let one run build while others wait for what it builds."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Another run is building {what}; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(missing: list[Binary], cache: Path) -> None:
    if not missing:
        return
    # One for all, if it came from the package registry.
    go = find_go(cache_directory())
    report(f"Building {len(missing)} of the tests' programs into {cache}:")
    report("up to some minutes for each the first time on 2 cores.")
    began = time.monotonic()
    for number, binary in enumerate(missing, start=1):
        report(f"  {number} of {len(missing)}: {binary.name} ({time.monotonic() - began:.0f} s so far) ...")
        binary.build(go)
    report(f"Built in {time.monotonic() - began:.0f} s.")


def report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(parts: Sequence[GoModule] = PARTS, cache: Path | None = None) -> int:
    return print_built(
        "the tests' programs", lambda: ensure_binaries(parts, cache).values(), GoUnavailableError
    )


def print_built(what: str, build_them: Callable[[], Iterable[object]], unavailable: type[Exception]) -> int:
    """Build and print a path a line. The exit code is 3 if they are unavailable here, 1 if a build fails."""
    try:
        built = list(build_them())
    except unavailable as error:
        report(str(error))
        return 3
    except subprocess.CalledProcessError as error:
        report(f"Building {what} failed: {error}")
        return 1
    except OSError as error:
        report(explain_error(error) or f"Building {what} failed: {error}")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in built))
    return 0


if __name__ == "__main__":
    sys.exit(main())
