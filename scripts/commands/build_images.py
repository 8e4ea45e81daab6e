"""Builds Podline's images."""

from __future__ import annotations

from typing import Annotated

import typer

from scripts.commands.console import run_command
from scripts.site import images

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def build_images(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE...", help=f"{', '.join(images.IMAGES)}; all of them if none is named."),
    ] = None,
) -> None:
    """Build the images, tagged with the version, with Docker where it answers, else with Podman.

    PODLINE_BASE_IMAGE and PODLINE_NODE_IMAGE name other base images than the two Dockerfiles',
    PODLINE_IMAGE_TOOL is docker or podman. `web` is the Next.js example.
    """
    chosen = names or list(images.IMAGES)
    images.check_names(chosen)
    images.build_images(chosen, images.choose_tool())


if __name__ == "__main__":
    run_command(app)
