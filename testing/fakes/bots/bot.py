"""A bot that speaks the real channel and nothing else. Standard library only, so it starts at once.

What it does is written in the environment variable `FAKE_BOT`, words with spaces between, or, where that is
`user`, in the id of its user, with dots between:

* `join`      report that it has joined (with some usage)
* `mute`      then never be heard again, and ignore its inbox
* `deaf`      ignore SIGTERM
* `leave`     exit with the final report `caller_left` as soon as it has answered an offer
* `refuse`    refuse offers
* `crash`     exit with code 67 at once
* `exit-N`    exit with code N at once
* `signal-N`  be ended by signal N at once
* `hungry`    take memory until there is no more, and exit with 137
* `chatty`    write 5 MB to its log
* `busy`      have one more turn in each report, of which there are ten each second
* `wordless`  leave no final report
* `child`     start a grandchild that outlives it
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BEGAN = time.monotonic()
JOINED = BEGAN + 0.0001
WORDS = os.environ.get("FAKE_BOT", "join").split()
if WORDS == ["user"]:
    WORDS = os.environ["USER_ID"].split(".")
USAGE: dict[str, Any] = {
    "models": {"fake": {"prompt_tokens": 10, "completion_tokens": 5}},
    "turns": 1,
    "interruptions": 0,
    "tool_calls": {"search_products": {"ok": 1, "error": 0}},
    "talk_seconds": {"caller": 1.5, "bot": 2.5},
}


class FakeBotChannel:
    """Requests to the controller, each on a connection of its own."""

    def __init__(self) -> None:
        self._address = urlsplit(os.environ["PODLINE_CONTROLLER_URL"]).netloc
        self._base = f"/internal/launches/{os.environ['PODLINE_LAUNCH_ID']}/"
        self._headers = {
            "Authorization": f"Bearer {os.environ['PODLINE_LAUNCH_TOKEN']}",
            "Content-Type": "application/json",
        }

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        content = None if body is None else json.dumps(body)
        connection.request(method, self._base + path, content, self._headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else {}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def timeline() -> dict[str, float]:
    return {"now": time.monotonic() - BEGAN, "process_up": 0.0, "joined": JOINED - BEGAN}


def leave(reason: str, code: int = 0) -> None:
    used = dict(USAGE)
    say(f"turns {used['turns']}")
    say(f"fake bot leaves: {reason}")
    if "wordless" not in WORDS:
        word = {
            "reason": reason,
            "message": f"The fake bot says: {reason}.",
            "totals": used,
            "acked_totals": {},
            "timeline": timeline(),
        }
        Path(os.environ["PODLINE_LAST_WORD"]).write_text(json.dumps(word), encoding="utf-8")
    os._exit(code)


def report(channel: FakeBotChannel) -> None:
    """One batch at once, then one every second so as to be heard."""
    for number in range(1, 10_000):
        batch = {"seq": number, "acked": number - 1, "events": [], "totals": USAGE, "timeline": timeline()}
        channel.ask("POST", "reports", batch)
        if "mute" in WORDS:
            return
        if "busy" in WORDS:
            USAGE["turns"] += 1
        time.sleep(0.1 if "busy" in WORDS else 1)


def serve_inbox(channel: FakeBotChannel) -> None:
    after = ""
    while True:
        _, inbox = channel.ask("GET", f"inbox?after={after}")
        for message in inbox["messages"]:
            after = message["id"]
            serve(channel, message)


def serve(channel: FakeBotChannel, message: dict[str, Any]) -> None:
    if message["type"] == "stop":
        return  # SIGTERM comes with it
    answer: dict[str, Any] = {
        "body": {"sdp": "answer to " + message["offer"]["sdp"], "type": "answer", "pc_id": "pc-1"}
    }
    if "refuse" in WORDS:
        answer = {"refusal": "Another caller is in this session already."}
    channel.ask("POST", f"inbox/{message['id']}", answer)
    if "leave" in WORDS:
        leave("caller_left")


def end_at_once(word: str) -> None:
    what, _, number = word.partition("-")
    if what == "crash":
        os._exit(67)
    elif what == "exit":
        os._exit(int(number))
    elif what == "signal":
        if int(number) != signal.SIGKILL:
            # Whoever runs the tests under nohup has SIGHUP ignored, and so have their processes.
            signal.signal(int(number), signal.SIG_DFL)
        os.kill(os.getpid(), int(number))
    elif what == "hungry":
        kept = []
        try:
            while True:
                kept.append(bytearray(2**20))
        except MemoryError:
            os._exit(137)


def main() -> None:
    say("fake bot here")
    say(f"pid {os.getpid()}")
    for word in WORDS:
        end_at_once(word)
    if "chatty" in WORDS:
        for number in range(50_000):
            say(f"{number:07} {'x' * 91}")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in WORDS else lambda *_: leave("terminated"))
    if "child" in WORDS:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        say(f"child {child.pid}")
    channel = FakeBotChannel()
    if "join" in WORDS:
        if "mute" in WORDS:
            report(channel)
        else:
            threading.Thread(target=report, args=(channel,), daemon=True).start()
            threading.Thread(target=serve_inbox, args=(channel,), daemon=True).start()
    while True:
        # Handlers run in this thread, and a signal may have been another thread's to take.
        time.sleep(0.1)


if __name__ == "__main__":
    main()
