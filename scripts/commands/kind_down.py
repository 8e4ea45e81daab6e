"""Deletes what scripts/kind-up has created."""

from __future__ import annotations

import shutil
import sys

import typer

from podline_cli.errors import CommandError
from scripts.commands.console import run_command
from scripts.site.kind import CLUSTER, cluster_exists, delete_cluster

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def kind_down() -> None:
    """Delete the kind cluster that scripts/kind-up has created, with all that is in it."""
    if shutil.which("kind") is None:
        raise CommandError("kind is not on the PATH, so there is no cluster from scripts/kind-up to delete.")
    if not cluster_exists():
        sys.stdout.write(f"There is no kind cluster {CLUSTER}.\n")
        return
    delete_cluster()
    sys.stdout.write(
        "The images remain: docker image ls 'podline-*', and kind's own: docker image ls kindest/node\n"
    )


if __name__ == "__main__":
    run_command(app)
