"""Builds Podline's images with Docker or Podman."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podline.contract.version import VERSION
from podline_cli.errors import CommandError
from podline_cli.steps import step
from scripts.commands.programs import ROOT, attempt_program
from scripts.site.causes import find_cause, last_line

IMAGES: Final = ("bot", "controller", "sandbox", "runner", "base", "web")
TOOLS: Final = ("docker", "podman")
_TOOL_VARIABLE: Final = "PODLINE_IMAGE_TOOL"
_CERTIFICATES: Final = "/run/secrets/certificates"
_PASSED_ON: Final = (
    *("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_LAST_LINES: Final = 30


@dataclass(frozen=True)
class BuildSource:
    """What an image is built from.

    Attributes:
        context: the folder with its Dockerfile.
        base_argument: the Dockerfile's argument that names the base image.
        target: the Dockerfile's stage, None for its last.
    """

    context: Path
    base_argument: str
    target: str | None

    @property
    def variable(self) -> str:
        """What names another base image."""
        return f"PODLINE_{self.base_argument}"

    def base(self, environment: Mapping[str, str]) -> str:
        """Return the base image: the environment's, else the Dockerfile's."""
        dockerfile = (self.context / "Dockerfile").read_text(encoding="utf-8")
        [named] = re.findall(rf"^ARG {self.base_argument}=(\S+)$", dockerfile, re.MULTILINE)
        return environment.get(self.variable) or str(named)


def source_of(name: str) -> BuildSource:
    """Return what one of `IMAGES` is built from; `web` is the Next.js example."""
    if name == "web":
        return BuildSource(ROOT / "examples" / "nextjs", "NODE_IMAGE", None)
    return BuildSource(ROOT, "BASE_IMAGE", name)


def image_tag(name: str) -> str:
    return f"podline-{name}:{VERSION}"


def check_names(names: list[str]) -> None:
    """Refuse what is not one of `IMAGES`.

    Raises:
        CommandError: A name is unknown.
    """
    unknown = [name for name in names if name not in IMAGES]
    if unknown:
        raise CommandError(
            f"There is no image '{unknown[0]}': scripts/build-images builds {', '.join(IMAGES)}.", code=2
        )


def build_images(names: Iterable[str], tool: str) -> None:
    """Build these of `IMAGES` with Docker or Podman.

    Raises:
        CommandError: A base image can't be pulled, or an image can't be built.
    """
    options = [*_labels(), *options_of(tool, os.environ)]
    ready: set[str] = set()
    for name in names:
        source = source_of(name)
        base = source.base(os.environ)
        if base not in ready:
            _ensure_base(tool, source, base)
            ready.add(base)
        _build(tool, name, [*options, "--build-arg", f"{source.base_argument}={base}"])


def choose_tool() -> str:
    """Return what the environment names, else the first of Docker and Podman that answers.

    Raises:
        CommandError: None does.
    """
    named = os.environ.get(_TOOL_VARIABLE)
    tools = [named] if named else TOOLS
    found = [tool for tool in tools if shutil.which(tool)]
    said = ""
    for tool in found:
        with step(f"Asking {tool} whether it is ready"):
            finished = attempt_program([tool, "info"])
        if finished.code == 0:
            return tool
        said = said or finished.errors
    raise no_tool(tools, found, said)


def no_tool(tools: tuple[str, ...] | list[str], found: list[str], said: str) -> CommandError:
    """Return the error of a machine on which no container tool answers.

    Args:
        tools: those that would do.
        found: those of them that are installed.
        said: what the first of them complained of.
    """
    if not found:
        return CommandError(
            f"Building images needs {' or '.join(tools)}, and neither is on the PATH: install Docker "
            "(docs.docker.com/get-docker)."
            if len(tools) > 1
            else f"Building images needs {tools[0]}, which is not on the PATH: install it, or unset "
            f"{_TOOL_VARIABLE}."
        )
    if found[0] == "docker":
        return docker_is_down(said)
    return CommandError(
        f"{found[0]} is installed and does not answer ({last_line(said)}): see `{found[0]} info`."
    )


def docker_is_down(said: str) -> CommandError:
    cause = find_cause(said) or f"start it, or see what `docker info` says ({last_line(said)})"
    return CommandError(f"Docker is installed but can't be used: {cause}.")


def options_of(tool: str, environment: Mapping[str, str]) -> list[str]:
    """Return a build's options for this machine: its proxies, mirrors and certificates.

    They are for the build alone: none of them stays in an image.
    """
    # The same bytes in Docker's own form, whichever tool makes them.
    options = ["--format", "docker"] if tool == "podman" else []
    for name in _PASSED_ON:
        if environment.get(name):
            options += ["--build-arg", f"{name}={environment[name]}"]
    certificates = environment.get("SSL_CERT_FILE", "")
    if Path(certificates).is_file():
        options += ["--secret", f"id=certificates,src={certificates}"]
        options += [
            "--build-arg",
            f"SSL_CERT_FILE={_CERTIFICATES}",
            "--build-arg",
            f"PIP_CERT={_CERTIFICATES}",
        ]
    return options


def _labels() -> list[str]:
    """Return what the images' labels say of this checkout."""
    revision = _git("rev-parse", "HEAD") or "unknown"
    if _git("status", "--porcelain"):
        revision += "-changed"
    source = plain_address(_git("remote", "get-url", "origin"))
    values = {"VERSION": VERSION, "REVISION": revision, "SOURCE": source}
    return [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]


def plain_address(remote: str) -> str:
    """Return a remote's address if it may be read by all; another may hold a password."""
    return remote if re.fullmatch(r"https://[^@]*", remote) else "unknown"


def _git(*arguments: str) -> str:
    if not shutil.which("git"):
        return ""
    finished = attempt_program(["git", *arguments])
    return finished.output.strip() if finished.code == 0 else ""


def _ensure_base(tool: str, source: BuildSource, base: str) -> None:
    """Pull the base image, so that an unreachable registry is not reported in the middle of a build."""
    if attempt_program([tool, "image", "inspect", base]).code == 0:
        return
    with step(f"Pulling the base image {base.partition('@')[0]}"):
        finished = attempt_program([tool, "pull", "--quiet", base])
    if finished.code != 0:
        cause = find_cause(finished.errors) or last_line(finished.errors)
        raise CommandError(
            f"The base image {base} could not be pulled ({cause}): to use another, such as a mirror's, set "
            f"{source.variable}."
        )


def _build(tool: str, name: str, options: list[str]) -> None:
    source = source_of(name)
    target = [] if source.target is None else ["--target", source.target]
    command = [tool, "build", "--quiet", *options, *target, "--tag", image_tag(name), str(source.context)]
    with step(f"Building {image_tag(name)} with {tool} (the first time: a minute or two)"):
        finished = attempt_program(command)
    if finished.code != 0:
        said = finished.output + finished.errors
        cause = find_cause(said) or f"see above what {tool} said"
        raise CommandError(
            f"The image podline-{name} could not be built: {cause}.",
            details="\n".join(said.splitlines()[-_LAST_LINES:]),
        )
