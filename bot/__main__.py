"""`python -m bot`: the shopping assistant in Podline's runner."""

import os
from pathlib import Path

from podline.contract import environment as env
from podline.runner.__main__ import main

if __name__ == "__main__":
    os.environ.setdefault(env.BOT_FILE, str(Path(__file__).with_name("bot.py")))
    main()
