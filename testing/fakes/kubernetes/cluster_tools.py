"""docker, kind and kubectl as scripts/kind-up uses them: they record arguments and remember what they did.

Run under one of these names, with FAKE_TOOLS naming a directory: `asked` there holds a line for each call.
Other files there change what they answer: `minor` (the version), `layers` (of the images), `failing`
(no pod comes up) and `docker-down`.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import NoReturn

SESSION = "01a20d92-d9f4-7101-8182-917b9509378c"
ACCOUNT = f"session {SESSION}\n   4.83 s  caller says     find running shoes\n"
REQUEST = '{"hash":"1","room_provider":"webrtc","accepted":"2026-11-24T23:59:59.500000Z"}'
TIMELINE = '{"launched":"2026-11-24T23:59:59.750000Z","joined":"2026-11-25T00:00:01Z"}'
JOB = {
    "timeline": f"{REQUEST}\n{TIMELINE}\n",
    "message": f"{SESSION} ended as caller_left: The caller hung up.\n",
    "reason": "caller_left",
}
"""By what is asked for."""

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
            say(remembered(state / "layers") or "[1]")
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
    context, namespace, verb, *rest = arguments
    if (context, namespace) != ("--context=kind-podline", "--namespace=podline"):
        leave(f"kubectl: {context} {namespace} is another cluster")
    if verb == "get":
        get(state, rest)
    else:
        write(state, [verb, *rest])


def get(state: Path, what: list[str]) -> None:
    match what:
        case ["--raw", "/version"]:
            say(f'{{"major": "1", "minor": "{remembered(state / "minor") or "37"}"}}')
        case ["secret", secret, *options]:
            get_secret(state / f"secret-{secret}", options)
        case ["pods", *_]:
            say("pod/one\n")
        case ["pod/one", *_]:
            say(POD)
        case ["deployment", name, *_]:
            say(remembered(state / f"built-{name}"))
        case ["job", "podline-caller", *_]:
            say("SuccessCriteriaMet Complete ")
        case ["job", job, "-o", path] if job == SESSION:
            say(next(answer for wanted, answer in JOB.items() if wanted in path))
        case _:
            pass


def write(state: Path, what: list[str]) -> None:
    match what:
        case ["create", "secret", _, secret, *values]:
            (state / f"secret-{secret}").write_text("\n".join(values), encoding="utf-8")
        case ["create", "configmap", *_] | ["apply", "-f", "-"]:
            say(sys.stdin.read())
        case ["rollout", "status", *_] if (state / "failing").exists():
            sys.exit(1)
        case ["annotate", "--overwrite", "deployment", name, mark]:
            (state / f"built-{name}").write_text(mark.partition("=")[2], encoding="utf-8")
        case ["logs", "job/podline-caller", *_]:
            say(ACCOUNT)
        case ["apply" | "rollout" | "delete" | "create" | "logs", *_]:
            pass
        case _:
            leave(f"kubectl: what is {what}?")


def get_secret(secret: Path, options: list[str]) -> None:
    if not secret.exists():
        leave("not found")
    if options:
        say(base64.b64encode(secret.read_bytes()).decode())


def remembered(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def say(text: str) -> None:
    sys.stdout.write(text)


def leave(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
