"""Sessions for tests that need no more of one than its identity."""

from datetime import UTC, datetime
from typing import Any

from controller.core.session import Session, Timeline


def some_session(launch_id: str = "0199-one", **fields: Any) -> Session:
    return Session(
        **{
            "id": "one",
            "user_id": "ana",
            "launch_id": launch_id,
            "request_hash": "",
            "room_provider": "",
            "max_duration_seconds": 1800,
            "timeline": Timeline(accepted=datetime.now(UTC)),
            **fields,
        }
    )
