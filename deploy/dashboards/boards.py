"""All boards, by the names of their files."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.calls import CALLS
from deploy.dashboards.controller import CONTROLLER
from deploy.dashboards.conversation import CONVERSATION
from deploy.dashboards.cost import COST

BOARDS: Final = {"calls": CALLS, "conversation": CONVERSATION, "cost": COST, "controller": CONTROLLER}
