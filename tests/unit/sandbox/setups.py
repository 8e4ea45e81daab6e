"""The first message of a client, as the sandbox's model reads it."""

import json
from typing import Any

from sandbox.gemini.wire import Setup, read_message


def read_setup(**fields: Any) -> Setup:
    setup = read_message(json.dumps({"setup": fields})).setup
    assert setup is not None
    return setup
