"""Swagger UI for /docs: fetched from the npm registry, verified, and kept in the repository.

Run as `python -m testing.web.swagger_ui`, fetches it if it is not the pinned one.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

VENDOR: Final = Path(__file__).parents[2] / "controller" / "web" / "docs" / "vendor"
VERSION: Final = "5.35.0"
INTEGRITY: Final = (
    "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="
)
"""Of the package, as the registry and npm's lock files write it."""
_SERVED: Final = ("swagger-ui-bundle.js", "swagger-ui.css")
_LICENSES: Final = ("NOTICE", "LICENSE", "swagger-ui-bundle.js.LICENSE.txt")
_ABOUT: Final = f"""\
{" and ".join(_SERVED)} are files of the npm package swagger-ui-dist {VERSION}, unchanged.
SHA256SUMS has their hashes; `python -m testing.web.swagger_ui` fetches and verifies the package.
It is licensed under the Apache License 2.0, which follows, with the licences of what it contains.
"""


class WrongPackageError(Exception):
    """The registry sent another package than the pinned one."""


def is_current() -> bool:
    """Return whether the files are there, of the pinned version and unchanged."""
    sums = VENDOR / "SHA256SUMS"
    return sums.exists() and VERSION in (VENDOR / "LICENSES.txt").read_text() and sums.read_text() == _sums()


def fetch() -> None:
    """Replace the files by those of the pinned package.

    Raises:
        WrongPackageError: the package has another hash.
        CalledProcessError: npm could not fetch it.
    """
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--silent", f"swagger-ui-dist@{VERSION}"]
        subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - npm
        [package] = Path(directory).glob("*.tgz")
        unpack(package)


def unpack(package: Path) -> None:
    """Take our files out of a package.

    Raises:
        WrongPackageError: it has another hash than the pinned one.
    """
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise WrongPackageError(
            f"{package.name} is not the pinned one: its hash is sha512-{digest}. Check VERSION and INTEGRITY."
        )
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as archive:

        def content(name: str) -> bytes:
            file = archive.extractfile(f"package/{name}")
            if file is None:
                raise WrongPackageError(f"{package.name} has no file {name}.")
            return file.read()

        for name in _SERVED:
            (VENDOR / name).write_bytes(content(name))
        licenses = [_ABOUT, *(f"--- {name} ---\n\n{content(name).decode().strip()}\n" for name in _LICENSES)]
    (VENDOR / "LICENSES.txt").write_text("\n".join(licenses))
    (VENDOR / "SHA256SUMS").write_text(_sums())


def _sums() -> str:
    """Return the hashes of the files as `sha256sum` prints them."""
    files = [VENDOR / name for name in _SERVED]
    return "".join(
        f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in files if each.exists()
    )


if __name__ == "__main__":
    try:
        if not is_current():
            fetch()
    except WrongPackageError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError:
        sys.exit(f"npm could not fetch swagger-ui-dist {VERSION}: check the registry.")
