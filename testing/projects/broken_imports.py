"""Bots whose file can't be imported, or has no bot in it."""

from __future__ import annotations

from typing import Final

from podline.contract.reasons import Reason
from testing.projects.broken_bot import BrokenBot, pipeline_bot

_CRASHED: Final = Reason.CRASHED
_INVALID: Final = Reason.CONFIG_INVALID
_EXPECTED: Final = "define `async def bot(runner_args)` in it, as for Pipecat's own runner."

BROKEN_IMPORTS: Final = [
    BrokenBot(
        "raises-on-import",
        "raises an exception on import",
        pipeline_bot(top='raise RuntimeError("the shelf is empty")  # here'),
        _CRASHED,
        "bot.py can't be imported: the bot raised RuntimeError in bot.py, line {line}.",
        is_called=False,
    ),
    BrokenBot(
        "raises-in-a-helper",
        "imports a file of its own that raises",
        pipeline_bot(top="import shelf"),
        _CRASHED,
        "bot.py can't be imported: the bot raised ZeroDivisionError in shelf.py, line {line}.",
        is_called=False,
        files={"shelf.py": "PRODUCTS = []\nAVERAGE = sum(PRODUCTS) / len(PRODUCTS)  # here\n"},
    ),
    BrokenBot(
        "syntax-error",
        "has a syntax error",
        pipeline_bot(top="def greet(:  # here"),
        _CRASHED,
        "bot.py can't be imported: the bot has a syntax error in bot.py, line {line}.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-package",
        "imports a package that is not installed",
        pipeline_bot(top="import podline_shelf_scanner  # here"),
        _CRASHED,
        "bot.py can't be imported: the bot can't import podline_shelf_scanner in bot.py, line {line}. "
        "Add the package of podline_shelf_scanner to the agent's image.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-an-extra",
        "imports one of Pipecat's services without the package it needs",
        pipeline_bot(top="from pipecat.services.anthropic.llm import AnthropicLLMService  # here"),
        _CRASHED,
        "bot.py can't be imported: the bot can't import anthropic in bot.py, line {line}. "
        "Add the package of anthropic to the agent's image.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-name",
        "imports a name that its package does not have",
        pipeline_bot(top="from pipecat.pipeline.worker import PipelineWorkshop  # here"),
        _CRASHED,
        "bot.py can't be imported: the bot can't import something from pipecat.pipeline.worker in bot.py, "
        "line {line}.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-variable",
        "reads a variable that is not set, on import",
        pipeline_bot(top='SHELF_KEY = os.environ["SHELF_KEY"]  # here'),
        _INVALID,
        "bot.py can't be imported: the bot needs the variable SHELF_KEY, which is not set, in bot.py, "
        "line {line}. Put SHELF_KEY into the agent's secret set.",
        is_called=False,
    ),
    BrokenBot(
        "has-no-bot",
        "has no bot",
        "async def main(runner_args):\n    pass\n",
        _INVALID,
        f"bot.py has no bot: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "is-empty",
        "is an empty file",
        "",
        _INVALID,
        f"bot.py has no bot: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "has-a-sync-bot",
        "has a bot that is not async",
        "def bot(runner_args):\n    pass\n",
        _INVALID,
        f"The bot in bot.py is not an async function: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-without-arguments",
        "has a bot that takes no arguments",
        "async def bot():\n    pass\n",
        _INVALID,
        f"The bot in bot.py does not take one argument: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-of-two-arguments",
        "has a bot that takes two arguments",
        "async def bot(transport, runner_args):\n    pass\n",
        _INVALID,
        f"The bot in bot.py does not take one argument: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-that-is-a-name",
        "has something else under the name bot",
        'bot = "Pipecat Bot"\n',
        _INVALID,
        f"The bot in bot.py is not an async function: {_EXPECTED}",
        is_called=False,
    ),
    BrokenBot(
        "exits-on-import",
        "calls sys.exit on import",
        pipeline_bot(top="import sys\n\nsys.exit(0)  # here"),
        _CRASHED,
        "bot.py can't be imported: the bot called sys.exit() in bot.py, line {line}.",
        is_called=False,
    ),
    BrokenBot(
        "exits-hard-on-import",
        "calls os._exit on import",
        pipeline_bot(top="os._exit(3)"),
        _CRASHED,
        "The bot's process exited with code 3 without a final report: its code or a library called "
        "os._exit(), or the process failed before the runner could report. Read its log for the details.",
        is_called=False,
    ),
    BrokenBot(
        "overrides-our-variables",
        "overrides the session's variables with load_dotenv(override=True), which `pipecat init` writes",
        pipeline_bot(top="from dotenv import load_dotenv\n\nload_dotenv(override=True)"),
        Reason.CALLER_LEFT,
        "The caller left the call.",
        ends="hangs up",
        files={
            ".env": "SESSION_ID=mine\nUSER_ID=me\nPODLINE_LAUNCH_TOKEN=none\nPODLINE_CONTROLLER_URL=http://127.0.0.1:9\n"
        },
    ),
]
