"""docker, kind and kubectl as scripts/kind-up uses them: what they are told, they write down and remember.

Run under one of these names, with FAKE_TOOLS naming a directory: `asked` there holds a line for each call. Files in
it change what they answer: `minor` (the cluster's version), `layers` (of the images), `failing` (the rollout's pod).
"""

from __future__ import annotations

import base64
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

SESSION = "01a20d92-d9f4-7101-8182-917b9509378c"
ACCOUNT = f"session {SESSION}\n   4.83 s  caller says     find running shoes\n"
REQUEST = '{"hash":"1","room_provider":"webrtc","accepted":"2026-11-24T23:59:59.500000Z"}'
TIMELINE = '{"launched":"2026-11-24T23:59:59.750000Z","joined":"2026-11-25T00:00:01Z"}'
JOB = {
    "reason}": "caller_left",
    "message}": f"{SESSION} ended as caller_left: The caller hung up.\n",
    "timeline}": f"{REQUEST}\n{TIMELINE}\n",
}
POD = "Pending ErrImagePull no such image"


def main() -> None:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    state = Path(os.environ["FAKE_TOOLS"])
    with (state / "asked").open("a", encoding="utf-8") as asked:
        asked.write(f"{name} {' '.join(arguments)}\n")
    {"docker": docker, "kind": kind, "kubectl": kubectl}[name](state, arguments)


def docker(state: Path, arguments: list[str]) -> None:
    match arguments:
        case ["info"] if (state / "docker-down").exists():
            leave("Cannot connect to the Docker daemon.")
        case ["image", "inspect", "--format", *_]:
            say((state / "layers").read_text(encoding="utf-8") if (state / "layers").exists() else "[1]")
        case ["info"] | ["image", "inspect", _] | ["build", *_]:
            pass
        case _:
            leave(f"docker: what is {arguments}?")


def kind(state: Path, arguments: list[str]) -> None:
    cluster = state / "cluster"
    match arguments:
        case ["get", "clusters"]:
            say("other\npodline\n" if cluster.exists() else "other\n")
        case ["create", "cluster", "--name", "podline", *_]:
            cluster.touch()
        case ["delete", "cluster", "--name", "podline"]:
            cluster.unlink()
        case ["load", "docker-image", *_] | ["export", "kubeconfig", *_] if cluster.exists():
            pass
        case _:
            leave(f"kind: what is {arguments}?")


def kubectl(state: Path, arguments: list[str]) -> None:
    context, namespace, *rest = arguments
    if (context, namespace) != ("--context=kind-podline", "--namespace=podline"):
        leave(f"kubectl: {context} {namespace} is another cluster")
    match rest:
        case ["get", "--raw", "/version"]:
            minor = (state / "minor").read_text(encoding="utf-8") if (state / "minor").exists() else "37"
            say(f'{{"major": "1", "minor": "{minor}"}}')
        case ["get", "secret", secret, *options]:
            get_secret(state / f"secret-{secret}", options)
        case ["create", "secret", _, secret, *values]:
            (state / f"secret-{secret}").write_text("\n".join(values), encoding="utf-8")
        case ["create", "configmap", *_]:
            say(sys.stdin.read())
        case ["rollout", "status", *_] if (state / "failing").exists():
            sys.exit(1)
        case ["get", "pods", *_]:
            say("pod/one\n")
        case ["get", "pod/one", *_]:
            say(POD)
        case ["annotate", "--overwrite", "deployment", name, mark]:
            (state / f"built-{name}").write_text(mark.partition("=")[2], encoding="utf-8")
        case ["get", "deployment", name, *_]:
            known = state / f"built-{name}"
            say(known.read_text(encoding="utf-8") if known.exists() else "")
        case ["get", "job", "podline-caller", *_]:
            say("SuccessCriteriaMet Complete ")
        case ["get", "job", job, "-o", path] if job == SESSION:
            say(JOB[re.split(r"[\\.]", path.removesuffix("{\"\\n\"}"))[-1]])
        case ["logs", "job/podline-caller", *_]:
            say(ACCOUNT)
        case ["apply" | "rollout" | "delete" | "create" | "logs" | "get", *_]:
            pass
        case _:
            leave(f"kubectl: what is {rest}?")


def get_secret(secret: Path, options: list[str]) -> None:
    if not secret.exists():
        leave("not found")
    if options:
        say(base64.b64encode(secret.read_bytes()).decode())


def say(text: str) -> None:
    sys.stdout.write(text)


def leave(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
