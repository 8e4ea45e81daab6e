"""From a clone to a call in a kind cluster on this machine."""

from __future__ import annotations

import sys

import typer

from scripts.commands.console import run_command
from scripts.site.calling import make_call
from scripts.site.images import IMAGES, build_images
from scripts.site.installation import install_site
from scripts.site.kind import (
    CONTEXT,
    RENEWED,
    check_programs,
    ensure_cluster,
    load_images,
    renew_changed,
)
from scripts.site.kubectl import Kubectl

NEXT = """
Podline runs in the kind cluster podline. Talk to a bot in a pod: http://localhost:30300

What else to do:

  kubectl config use-context kind-podline
  kubectl -n podline get jobs -L podline.dev/user,podline.dev/phase,podline.dev/reason
  kubectl -n podline port-forward service/podline 7860:80      # then, in another shell:
  key=$(kubectl -n podline get secret podline-admin-key -o 'jsonpath={.data.key}' | base64 -d)
  curl -H "Authorization: Bearer $key" http://127.0.0.1:7860/v1/sessions

Run scripts/kind-up again to apply your changes; scripts/kind-down takes everything away.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def kind_up() -> None:
    """Run Podline in a kind cluster named podline on this machine, and make a scripted call there.

    Builds the images, creates the cluster, installs deploy/overlays/kind and prints the call's timeline.
    Run it again to bring all of that up to date.
    """
    check_programs()
    build_images(IMAGES, "docker")
    ensure_cluster()
    load_images()
    kubectl = Kubectl(CONTEXT)
    install_site(kubectl)
    for image, deployment in RENEWED.items():
        renew_changed(kubectl, image, deployment)
    make_call(kubectl)
    sys.stdout.write(NEXT)


if __name__ == "__main__":
    run_command(app)
