"""Bots that run a shell: the session's id says what one does, so that one template serves many."""

from __future__ import annotations

from typing import Any

from testing.node.site import bot_of

SCRIPT = """
case $SESSION_ID in
  exit-*) exit "${SESSION_ID##*-}" ;;
  deaf*) trap '' TERM ;;
  hoarder*) dd if=/dev/zero of=/tmp/file bs=1M count=300 ;;
  glutton*) exec dd if=/dev/zero of=/dev/null bs=128M count=1 ;;
  *) trap 'exit 0' TERM ;;
esac
while true; do sleep 1 & wait $!; done
"""


def shell_bot(job: dict[str, Any]) -> None:
    """Change a Job template so that the bot's image runs a shell."""
    bot = bot_of(job)
    bot["command"] = ["/bin/sh", "-c", SCRIPT]
    bot["resources"] = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
