"""Bots that go wrong in the call, or will not end."""

from __future__ import annotations

from typing import Final

from podline.contract.reasons import Reason
from testing.projects.broken_bot import BrokenBot, pipeline_bot

_CRASHED: Final = Reason.CRASHED
_CALLER_LEFT: Final = "The caller left the call."
_CANCELLED: Final = "The bot's own code cancelled the call; see its log."
_STOPPED: Final = "The session was stopped on request."
_NO_WORKER: Final = (
    "The bot ran no PipelineWorker within 20 seconds: let bot(runner_args) build a pipeline and run it "
    "with a WorkerRunner."
)
_RETURNED: Final = (
    "The bot returned without running a PipelineWorker: let bot(runner_args) build a pipeline and run it "
    "with a WorkerRunner."
)
_IN_BOT: Final = "The bot raised {error} in bot.py, line {line}; see its log."

_KEEPS_ENDS: Final = """\
from pipecat.frames.frames import CancelFrame, EndFrame


class Shelf(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, EndFrame | CancelFrame):
            await self.push_frame(frame, direction)

"""

_RAISES_AT_AUDIO: Final = """\
from pipecat.frames.frames import InputAudioRawFrame


class Shelf(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            raise ValueError("the shelf is empty")
        await self.push_frame(frame, direction)

"""

_NEVER_SPEAKS: Final = """\
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService


def model(key, name):
    return GeminiLiveLLMService(  # here
        api_key=key, settings=GeminiLiveLLMService.Settings(model=name, system_instruction="Help.")
    )

"""


def _in_bot(error: str) -> str:
    return _IN_BOT.replace("{error}", error)


BROKEN_CALLS: Final = [
    BrokenBot(
        "returns-at-once",
        "returns at once, without a worker",
        "async def bot(runner_args):\n    pass\n",
        _CRASHED,
        _RETURNED,
    ),
    BrokenBot(
        "creates-no-worker",
        "creates no worker",
        "import asyncio\n\n\nasync def bot(runner_args):\n    await asyncio.Event().wait()\n",
        _CRASHED,
        _NO_WORKER,
    ),
    BrokenBot(
        "never-joins",
        "creates a worker and never runs it",
        pipeline_bot(run="await asyncio.Event().wait()"),
        _CRASHED,
        _NO_WORKER,
    ),
    BrokenBot(
        "returns-before-the-end",
        "returns while its pipeline runs in a task of its own",
        pipeline_bot(
            run="global running\nrunning = asyncio.create_task(runner.run())\nawait asyncio.sleep(1)"
        ),
        Reason.COMPLETED,
        "The bot ended the call.",
    ),
    BrokenBot(
        "raises-in-bot",
        "raises an exception before it has a worker",
        'async def bot(runner_args):\n    raise LookupError("no shelf for ana@example.com")  # here\n',
        _CRASHED,
        _in_bot("LookupError"),
    ),
    BrokenBot(
        "lacks-a-variable-in-bot",
        "reads a variable that is not set, in bot()",
        'import os\n\n\nasync def bot(runner_args):\n    os.environ["SHELF_KEY"]  # here\n',
        Reason.CONFIG_INVALID,
        "The bot needs the variable SHELF_KEY, which is not set, in bot.py, line {line}; see its log. "
        "Put SHELF_KEY into the agent's secret set.",
    ),
    BrokenBot(
        "supports-another-room",
        "supports rooms of another kind",
        pipeline_bot()
        .replace('"webrtc":', '"daily":')
        .replace(
            "await create_transport(runner_args, PARAMS)",
            "await create_transport(runner_args, PARAMS)  # here",
        ),
        _CRASHED,
        _in_bot("ValueError"),
    ),
    BrokenBot(
        "raises-after-joining",
        "raises an exception in the middle of the call",
        pipeline_bot(
            run="async def fail():\n"
            "    await asyncio.sleep(1)\n"
            '    raise TypeError("the shelf is a box")  # here\n'
            "\n"
            "await asyncio.gather(runner.run(), fail())"
        ),
        _CRASHED,
        _in_bot("TypeError"),
    ),
    BrokenBot(
        "raises-in-an-event-handler",
        "raises an exception in an event handler",
        pipeline_bot(connected='raise TypeError("the shelf is a box")'),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "raises-in-a-processor",
        "raises an exception in a processor of its own",
        pipeline_bot(top=_RAISES_AT_AUDIO, processor="Shelf(), "),
        _CRASHED,
        "The processor Shelf#0 crashed with ValueError; see the bot's log.",
    ),
    BrokenBot(
        "runs-a-second-loop",
        "calls asyncio.run in bot()",
        "import asyncio\n\n\nasync def bot(runner_args):\n    asyncio.run(asyncio.sleep(0))  # here\n",
        _CRASHED,
        _in_bot("RuntimeError"),
    ),
    BrokenBot(
        "cancels-its-task",
        "cancels its own task",
        pipeline_bot(
            run="asyncio.get_running_loop().call_later(1, asyncio.current_task().cancel)\nawait runner.run()"
        ),
        _CRASHED,
        _CANCELLED,
    ),
    BrokenBot(
        "cancels-all-tasks",
        "cancels every task of the process",
        pipeline_bot(connected="await asyncio.sleep(1)\nfor task in asyncio.all_tasks():\n    task.cancel()"),
        _CRASHED,
        _CANCELLED,
    ),
    BrokenBot(
        "stops-the-loop",
        "stops the event loop",
        pipeline_bot(connected="asyncio.get_running_loop().stop()"),
        _CRASHED,
        "The bot's own code stopped the event loop; see its log.",
    ),
    BrokenBot(
        "exits",
        "calls sys.exit in the call",
        pipeline_bot(connected="await asyncio.sleep(1)\nraise SystemExit(0)  # here"),
        _CRASHED,
        "The bot called sys.exit() in bot.py, line {line}; see its log.",
    ),
    BrokenBot(
        "exits-hard",
        "calls os._exit in the call",
        pipeline_bot(connected="os._exit(0)"),
        Reason.VANISHED,
        "The bot's process exited with code 0 without a final report: its code or a library called "
        "os._exit(). Let bot() return instead.",
    ),
    BrokenBot(
        "blocks-the-loop",
        "blocks the event loop",
        pipeline_bot(top="import time", connected="time.sleep(600)  # here"),
        _CRASHED,
        "Some code blocks the whole bot in bot.py, line {line}: it waits or computes without yielding; "
        "see the bot's log.",
    ),
    BrokenBot(
        "fills-its-disk",
        "fills its disk",
        'async def bot(runner_args):\n    file = open("/dev/full", "w")\n    file.write("shelf")\n'
        "    file.flush()  # here\n",
        _CRASHED,
        _in_bot("OSError"),
    ),
    BrokenBot(
        "recurses",
        "calls itself endlessly",
        "async def bot(runner_args):\n    def shelf():\n        shelf()  # here\n\n    shelf()\n",
        _CRASHED,
        _in_bot("RecursionError"),
    ),
    BrokenBot(
        "keeps-the-end",
        "swallows EndFrame and CancelFrame",
        pipeline_bot(top=_KEEPS_ENDS, processor="Shelf(), "),
        Reason.STOPPED,
        _STOPPED,
        ends="stopped",
    ),
    BrokenBot(
        "hangs-after-the-end",
        "hangs in its own code after the pipeline has ended",
        pipeline_bot(run="await runner.run()\nawait asyncio.Event().wait()"),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "blocks-after-the-end",
        "blocks the event loop after the pipeline has ended",
        pipeline_bot(top="import time", run="await runner.run()\ntime.sleep(600)"),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "raises-after-the-end",
        "raises an exception after the pipeline has ended",
        pipeline_bot(run='await runner.run()\nraise RuntimeError("the shelf is closed")'),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "catches-cancellation",
        "catches its cancellation and goes on",
        pipeline_bot(
            run="await runner.run()\n"
            "while True:\n"
            "    try:\n"
            "        await asyncio.Event().wait()\n"
            "    except asyncio.CancelledError:\n"
            "        pass"
        ),
        Reason.STOPPED,
        _STOPPED,
        ends="stopped",
    ),
    BrokenBot(
        "ignores-signals",
        "ignores SIGTERM",
        pipeline_bot(top="import signal\n\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"),
        Reason.STOPPED,
        _STOPPED,
        ends="stopped",
    ),
    BrokenBot(
        "leaves-a-thread",
        "leaves a thread behind",
        pipeline_bot(
            top="import threading\nimport time\n\nthreading.Thread(target=time.sleep, args=(600,)).start()"
        ),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "leaves-a-process",
        "leaves a child process behind",
        pipeline_bot(top='import subprocess\n\nsubprocess.Popen(["sleep", "600"])'),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "leaves-a-session",
        "leaves a child process in a session of its own behind",
        pipeline_bot(top='import subprocess\n\nsubprocess.Popen(["sleep", "600"], start_new_session=True)'),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "logs-secrets",
        "logs and prints a secret of the session",
        pipeline_bot(
            top="from loguru import logger",
            connected='logger.info(os.environ["PODLINE_LAUNCH_TOKEN"])\n'
            'print(os.environ["PODLINE_LAUNCH_TOKEN"], flush=True)',
        ),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "prints-endlessly",
        "prints endlessly",
        pipeline_bot(
            top="import threading\n\n\n"
            "def chatter():\n"
            "    while True:\n"
            '        print("shelf " * 100)\n\n\n'
            "threading.Thread(target=chatter, daemon=True).start()"
        ),
        Reason.CALLER_LEFT,
        _CALLER_LEFT,
        ends="hangs up",
    ),
    BrokenBot(
        "has-no-model",
        "names no model, as `.env.example` of `pipecat init` leaves it",
        pipeline_bot(
            top=_NEVER_SPEAKS,
            processor='model(os.getenv("GOOGLE_API_KEY"), os.getenv("SHELF_MODEL")), ',
        ),
        _CRASHED,
        _in_bot("ValueError"),
        limits={"mute_seconds": 4},
    ),
    BrokenBot(
        "has-a-wrong-key",
        "has a key that its model does not accept",
        pipeline_bot(top=_NEVER_SPEAKS, processor='model("wrong", "models/gemini-live-2.5-flash"), '),
        Reason.MODEL_REFUSED,
        "The processor GeminiLiveLLMService#0 crashed with APIError in its task _connection_task_handler; "
        "see the bot's log.",
        limits={"mute_seconds": 4},
    ),
]
