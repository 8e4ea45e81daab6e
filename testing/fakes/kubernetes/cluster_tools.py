"""docker, kind and kubectl as scripts/kind-up uses them: they record arguments and remember what they did.

Run under one of these names, with FAKE_TOOLS naming a directory: `asked` there holds a line for each call.
Other files there change what they answer: `minor` (the version), `layers` (of the images), `failing`
(no pod comes up), `hangs` (commands that begin as one of its lines never end by themselves) and `refuses`
(they fail, and complain of what stands behind the arrow).
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

SESSION = "01a20d92-d9f4-7101-8182-917b9509378c"
ACCOUNT = f"session {SESSION}\n   4.83 s  caller says     find running shoes\n"
JOB = {
    "metadata": {
        "name": SESSION,
        "labels": {"podline.dev/phase": "ended", "podline.dev/reason": "caller_left"},
        "annotations": {
            "podline.dev/request": '{"hash":"1","accepted":"2026-11-24T23:59:59.500000Z"}',
            "podline.dev/timeline": (
                '{"launched":"2026-11-24T23:59:59.750000Z","scheduled":null,"joined":"2026-11-25T00:00:01Z"}'
            ),
            "podline.dev/message": "The caller hung up.",
        },
    }
}
CALLER = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
POD = {
    "metadata": {"name": "one", "creationTimestamp": "2026-11-24T23:59:59Z"},
    "status": {
        "phase": "Pending",
        "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}],
    },
}


def main() -> None:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    state = Path(os.environ["FAKE_TOOLS"])
    line = f"{name} {' '.join(arguments)}"
    with (state / "asked").open("a", encoding="utf-8") as asked:
        asked.write(f"{line}\n")
    for rule in remembered(state / "refuses").splitlines():
        beginning, _, complaint = rule.partition(" -> ")
        if line.startswith(beginning):
            leave(complaint)
    for beginning in remembered(state / "hangs").splitlines():
        if line.startswith(beginning):
            (state / "hanging").write_text(str(os.getpid()), encoding="utf-8")
            signal.pause()
    {"docker": docker, "kind": kind, "kubectl": kubectl}[name](state, arguments)


def docker(state: Path, arguments: list[str]) -> None:
    match arguments:
        case ["image", "inspect", "--format", *_]:
            say(remembered(state / "layers") or "[1]")
        case ["info"] | ["image", "inspect", _] | ["pull" | "build", *_]:
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
            cluster.unlink(missing_ok=True)
        case ["load", "docker-image", *_] | ["export", "kubeconfig", *_] if cluster.exists():
            pass
        case _:
            leave(f"kind: what is {arguments}?")


def kubectl(state: Path, arguments: list[str]) -> None:
    context, namespace, verb, *rest = arguments
    if (context, namespace) != ("--context=kind-podline", "--namespace=podline"):
        leave(f"kubectl: {context} {namespace} is another cluster")
    if verb == "get":
        get(state, [word for word in rest if word not in ("--ignore-not-found", "--output=json")])
    else:
        write(state, [verb, *rest])


def get(state: Path, what: list[str]) -> None:
    match what:
        case ["--raw", "/version"]:
            show({"major": "1", "minor": remembered(state / "minor") or "37"})
        case ["secrets", *names]:
            found = [state / f"secret-{name}" for name in names]
            show({"items": [json.loads(path.read_text(encoding="utf-8")) for path in found if path.exists()]})
        case ["pods", *_]:
            show({"items": [POD]})
        case ["deployment", name]:
            built = remembered(state / f"built-{name}")
            show({"metadata": {"name": name, "annotations": {"podline.dev/built": built} if built else {}}})
        case ["job", "podline-caller"]:
            show(CALLER)
        case ["job", job] if job == SESSION:
            show(JOB)
        case _:
            pass


def write(state: Path, what: list[str]) -> None:
    match what:
        case ["create", "-f", "-"]:
            manifest = json.load(sys.stdin)
            (state / f"secret-{manifest['metadata']['name']}").write_text(
                json.dumps(manifest), encoding="utf-8"
            )
        case ["patch", "secret", name, "--patch-file=/dev/stdin"]:
            secret = state / f"secret-{name}"
            manifest = json.loads(secret.read_text(encoding="utf-8"))
            for key, value in json.load(sys.stdin)["stringData"].items():
                manifest["data"][key] = base64.b64encode(value.encode()).decode()
            secret.write_text(json.dumps(manifest), encoding="utf-8")
        case ["apply", "-f", "-"]:
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


def remembered(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def show(answer: Mapping[str, Any]) -> None:
    say(json.dumps(answer))


def say(text: str) -> None:
    sys.stdout.write(text)


def leave(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
