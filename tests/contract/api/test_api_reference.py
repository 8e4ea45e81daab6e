"""docs/reference/api.md is up to date, and its commands do what it says."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from testing.api_reference import BASE, PAGE, generated
from testing.fakes.controllers.served import PATIENCE_SECONDS, ServeController
from testing.fakes.controllers.wire import write_keys

COMMANDS = [
    command
    for command in re.findall(r"```sh\n(curl .*?)\n```", PAGE.read_text(), re.DOTALL)
    # This controller's bots take no candidates.
    if "--request PATCH" not in command
]
REFUSED = {
    "--request POST http://127.0.0.1:7860/start-agent ": "409",
    "curl http://127.0.0.1:7860/v1/agents/clerk ": "404",
    "--request PUT http://127.0.0.1:7860/v1/agents/clerk ": "409",
    "--request POST http://127.0.0.1:7860/v1/agents/clerk/rollback ": "404",
    "--request DELETE http://127.0.0.1:7860/v1/agents/clerk ": "404",
}
"""The examples of sessions share one id, which `POST /v1/sessions` has taken. On one machine no agent is
deployed through the API."""
LAST = ("--request PUT http://127.0.0.1:7860/v1/drain", "--request DELETE")
"""After these there is nothing to start or read."""


def test_what_is_committed_is_what_would_be_made() -> None:
    assert PAGE.read_text() == generated()[PAGE], "run scripts/generate"


async def test_each_command_gets_an_answer_that_the_page_lists(
    serve: ServeController, tmp_path: Path
) -> None:
    keys = write_keys(tmp_path, boss=["admin"])
    async with serve(keys_file=keys, user_id="join") as controller:
        session = await controller.client.post("/start", json={}, headers={"Authorization": "Bearer boss"})
        variables = {
            "PODLINE_API_KEY": "boss",
            "SESSION": session.json()["sessionId"],
            "PATH": os.environ["PATH"],
        }
        first = [each for each in COMMANDS if not any(part in each for part in LAST)]
        for command in (*first, *(each for each in COMMANDS if each not in first)):
            line = command.replace(BASE, controller.url).replace("curl ", "curl --silent ", 1)
            line += " --output /dev/null --write-out '%{http_code}'"
            # A stream has no end: its status is enough.
            if "--no-buffer" in line:
                line += " --head --request GET"
            status = await said(line, variables)
            expected = next((REFUSED[part] for part in REFUSED if part in command), "20")
            assert status.startswith(expected), command


async def said(line: str, variables: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", line, env=variables, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, _ = await process.communicate()
    return output.decode()


@pytest.mark.parametrize("tag", ["sessions", "agents", "Pipecat's clients", "older contract", "probes"])
def test_each_group_of_operations_is_on_the_page(tag: str) -> None:
    assert f"\n## {tag.capitalize()}\n" in PAGE.read_text()
