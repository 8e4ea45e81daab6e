"""The bot in a file of its own: `bot.py` in the working directory, or else `/app/bot.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podline.errors import ConfigInvalid

if TYPE_CHECKING:
    from podline.runner.session import Bot

BOT_FILES: Final = (Path("bot.py"), Path("/app/bot.py"))
_MODULE: Final = "podline_bot"
"""The file's name as a module: under its own name it could hide a package named `bot`."""


def find_bot_file(candidates: Sequence[Path] = BOT_FILES) -> Path:
    """Return the first of these files that exists.

    Raises:
        ConfigInvalid: None does.
    """
    for path in candidates:
        if path.is_file():
            return path.resolve()
    looked = " nor ".join(str(path.absolute()) for path in candidates)
    raise ConfigInvalid(f"No bot found: neither {looked} exists; start the runner in the bot's directory.")


def load_bot_file(path: Path) -> Bot:
    """Import the file, which may import other files in its directory, and return its `bot`.

    Raises:
        ConfigInvalid: It has none.
    """
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ConfigInvalid(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    bot: Bot | None = getattr(module, "bot", None)
    if bot is None:
        raise ConfigInvalid(f"{path} has no bot: define `async def bot(session)` in it.")
    return bot
