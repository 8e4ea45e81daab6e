"""What a bot's process writes: its own lines and its libraries', with secrets masked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from podline.runner.logs import LoggedCall, configure_logging
from podline.runner.masking import Secrets, mask_standard_streams


class BotOutput:
    """The standard streams of a process whose variables may change, by its call or because it was forked.

    Attributes:
        secrets: Those that are masked.
        logged_call: The call that lines are about.
        keep_logging: Call this once the bot is imported.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Change nothing yet."""
        self._environment = environment
        self.secrets = Secrets(environment)
        self.logged_call = LoggedCall.of(environment)
        self.keep_logging: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Mask secrets, and log."""
        mask_standard_streams(self.secrets, sys)
        self.keep_logging = configure_logging(self.logged_call, self.secrets)

    def read_again(self) -> None:
        """Take the secrets and the call that the variables describe by now."""
        self.secrets.learn()
        self.logged_call.read(self._environment)
