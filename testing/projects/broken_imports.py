"""Bots whose file can't be imported, or has no bot in it."""

from __future__ import annotations

from typing import Final

from podline.contract.reasons import Reason
from testing.projects.broken_bot import BrokenBot, pipeline_bot

_CRASHED: Final = Reason.CRASHED
_INVALID: Final = Reason.CONFIG_INVALID

BROKEN_IMPORTS: Final = [
    BrokenBot(
        "raises-on-import",
        "raises an exception on import",
        pipeline_bot(top='raise RuntimeError("the shelf is empty")  # here'),
        _CRASHED,
        "bot.py could not be imported: RuntimeError at bot.py line {line}; see the bot's log.",
        is_called=False,
    ),
    BrokenBot(
        "raises-in-a-helper",
        "imports a file of its own that raises",
        pipeline_bot(top="import shelf"),
        _CRASHED,
        "bot.py could not be imported: ZeroDivisionError at shelf.py line {line}; see the bot's log.",
        is_called=False,
        files={"shelf.py": "PRODUCTS = []\nAVERAGE = sum(PRODUCTS) / len(PRODUCTS)  # here\n"},
    ),
    BrokenBot(
        "syntax-error",
        "has a syntax error",
        pipeline_bot(top="def greet(:  # here"),
        _CRASHED,
        "bot.py could not be imported: SyntaxError at bot.py line {line}; see the bot's log.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-package",
        "imports a package that is not installed",
        pipeline_bot(top="import podline_shelf_scanner  # here"),
        _CRASHED,
        "bot.py needs the package podline_shelf_scanner, which is not installed (bot.py line {line}); "
        "add it to what the bot is installed with.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-an-extra",
        "imports one of Pipecat's services without the package it needs",
        pipeline_bot(top="from pipecat.services.anthropic.llm import AnthropicLLMService  # here"),
        _CRASHED,
        "bot.py needs the package anthropic, which is not installed (bot.py line {line}); "
        "add it to what the bot is installed with.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-name",
        "imports a name that its package does not have",
        pipeline_bot(top="from pipecat.pipeline.worker import PipelineWorkshop  # here"),
        _CRASHED,
        "bot.py could not be imported: ImportError at bot.py line {line}; see the bot's log.",
        is_called=False,
    ),
    BrokenBot(
        "lacks-a-variable",
        "reads a variable that is not set, on import",
        pipeline_bot(top='SHELF_KEY = os.environ["SHELF_TEST_KEY"]  # here'),
        _INVALID,
        "bot.py needs the variable SHELF_TEST_KEY, which is not set (bot.py line {line}); "
        "add it to the agent's secret set or its .env file.",
        is_called=False,
    ),
    BrokenBot(
        "has-no-bot",
        "has no bot",
        "async def main(runner_args):\n    pass\n",
        _INVALID,
        "bot.py has no bot: define `async def bot(runner_args)` in it.",
        is_called=False,
    ),
    BrokenBot(
        "is-empty",
        "is an empty file",
        "",
        _INVALID,
        "bot.py has no bot: define `async def bot(runner_args)` in it.",
        is_called=False,
    ),
    BrokenBot(
        "has-a-sync-bot",
        "has a bot that is not async",
        "def bot(runner_args):  # here\n    pass\n",
        _INVALID,
        "bot at bot.py line {line} is not async: define `async def bot(runner_args)`.",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-without-arguments",
        "has a bot that takes no arguments",
        "async def bot():  # here\n    pass\n",
        _INVALID,
        "bot at bot.py line {line} can't be called with one argument: define `async def bot(runner_args)`.",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-of-two-arguments",
        "has a bot that takes two arguments",
        "async def bot(transport, runner_args):  # here\n    pass\n",
        _INVALID,
        "bot at bot.py line {line} can't be called with one argument: define `async def bot(runner_args)`.",
        is_called=False,
    ),
    BrokenBot(
        "has-a-bot-that-is-a-name",
        "has something else under the name bot",
        'bot = "Pipecat Bot"\n',
        _INVALID,
        "bot in bot.py is a str, not a function: define `async def bot(runner_args)`.",
        is_called=False,
    ),
    BrokenBot(
        "exits-on-import",
        "calls sys.exit on import",
        pipeline_bot(top="import sys\n\nsys.exit(0)  # here"),
        _CRASHED,
        "bot.py could not be imported: SystemExit at bot.py line {line}; see the bot's log.",
        is_called=False,
    ),
    BrokenBot(
        "exits-hard-on-import",
        "calls os._exit on import",
        pipeline_bot(top="os._exit(3)"),
        _CRASHED,
        "The bot exited with code 3 without a final report; see the bot's log.",
        is_called=False,
    ),
    BrokenBot(
        "overrides-our-variables",
        "overrides the session's variables with load_dotenv(override=True), which `pipecat init` writes",
        pipeline_bot(top="from dotenv import load_dotenv\n\nload_dotenv(override=True)"),
        Reason.CALLER_LEFT,
        "The caller left.",
        ends="hangs up",
        files={
            ".env": "SESSION_ID=mine\nUSER_ID=me\nPODLINE_LAUNCH_TOKEN=none\nPODLINE_CONTROLLER_URL=http://127.0.0.1:9\n"
        },
    ),
]
