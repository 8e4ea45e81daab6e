"""An example of each request, response and event, by the name of its operation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from controller.web.models.requests import EXAMPLE_OF_A_CURSOR
from controller.web.openapi import agents
from controller.web.openapi.sessions import (
    ENDED,
    FAILED,
    LIVE,
    SESSION_ID,
    STARTED,
    STARTING,
    STOPPING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Examples of one operation.

    Attributes:
        requests: bodies, by what they show.
        responses: bodies by status, then by what they show.
    """

    requests: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[int, Mapping[str, Any]]


def _event(number: int, session: Mapping[str, Any]) -> str:
    data = json.dumps(session, separators=(",", ":"))
    return f"event: session\ndata: {data}\nid: 5f0c8e-{number}\n\n"


_STREAM: Final = _event(1, STARTING) + ": ping\n\n" + _event(2, LIVE) + _event(3, ENDED)
_OFFER: Final = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n"
    "a=sendrecv\r\na=setup:actpass\r\na=ice-ufrag:EXAMPLE\r\na=ice-pwd:EXAMPLE-OF-A-PASSWORD-0\r\n"
)
_CONNECTION: Final = "SmallWebRTCConnection#0-5d2c"
_LOG: Final = "INFO podline.runner: joined\nINFO bot: search_products('running shoes')\n"
_METRICS: Final = (
    "# HELP podline_sessions Sessions by phase.\n"
    "# TYPE podline_sessions gauge\n"
    'podline_sessions{phase="live"} 1.0\n'
)

EXAMPLES: Final[Mapping[str, Examples]] = {
    "start_session": Examples(
        requests={
            "Safe to repeat": {
                "user_id": "ana",
                "session_id": SESSION_ID,
                "metadata": {"cart": "7f3a"},
            },
            "The least": {"user_id": "ana"},
            "Everything": {
                "user_id": "ana",
                "agent": "shopping",
                "body": {"greeting": "Welcome back, Ana!"},
                "session_id": "cart-81c2",
                "room": {"url": "https://shop.daily.co/cart-81c2", "token": "TOKEN-OF-THE-BOT"},
                "max_duration_seconds": 600,
                "budget": {"tokens": 50_000, "cost": 0.25},
                "persona": "concise",
                "metadata": {"cart": "81c2"},
            },
        },
        responses={
            201: {"The bot was launched": STARTED},
            200: {"A repeated request": STARTED},
        },
    ),
    "list_sessions": Examples(
        responses={
            200: {
                "A page": {
                    "sessions": [LIVE, FAILED],
                    "next_cursor": EXAMPLE_OF_A_CURSOR,
                },
                "No session": {"sessions": [], "next_cursor": None},
            }
        }
    ),
    "read_session": Examples(
        responses={
            200: {"During the call": LIVE, "After the call": ENDED, "After a failure": FAILED},
        }
    ),
    "stop_session": Examples(
        responses={202: {"The bot was asked to end": STOPPING}, 200: {"It had ended before": ENDED}}
    ),
    "read_logs": Examples(responses={200: {"The log": _LOG}}),
    "watch_session": Examples(responses={200: {"A whole call": _STREAM}}),
    "watch_sessions": Examples(responses={200: {"A whole call": _STREAM}}),
    "list_agent_definitions": Examples(
        responses={200: {"Two agents": {"agents": [agents.SHOPPING, agents.BROKEN]}}}
    ),
    "read_agent": Examples(responses={200: {"An agent with two versions": agents.WITH_VERSIONS}}),
    "deploy_agent": Examples(
        requests={"An image and a limit": agents.DEPLOYMENT},
        responses={202: {"Being started dry": agents.DEPLOYING}},
    ),
    "roll_back_agent": Examples(
        requests={"To the version before": {}, "To a certain version": {"version": agents.FIRST["id"]}},
        responses={200: {"The former definition again": agents.ROLLED_BACK}},
    ),
    "remove_agent": Examples(responses={}),
    "read_drain": Examples(responses={200: {"Serving": {"draining": False, "sessions": 4}}}),
    "set_drain": Examples(
        requests={"Before maintenance": {"draining": True}},
        responses={200: {"Two calls are left": {"draining": True, "sessions": 2}}},
    ),
    "start": Examples(
        requests={
            "An anonymous caller": {},
            "Another agent, with data for it": {
                "agent": "shopping",
                "transport": "webrtc",
                "body": {"user_id": "ana", "greeting": "Welcome back, Ana!"},
            },
        },
        responses={
            200: {
                "SmallWebRTC": {
                    "sessionId": f"{SESSION_ID}~TOKEN-OF-THE-CALLER",
                    "iceConfig": {"iceServers": [{"urls": "stun:stun.example.com"}]},
                },
                "Daily": {
                    "sessionId": f"{SESSION_ID}~TOKEN-OF-THE-CALLER",
                    "dailyRoom": "https://shop.daily.co/podline-cart-7f3a",
                    "dailyToken": "TOKEN-FOR-THE-ROOM",
                },
                "LiveKit": {
                    "sessionId": f"{SESSION_ID}~TOKEN-OF-THE-CALLER",
                    "url": "wss://livekit.example.com",
                    "token": "TOKEN-FOR-THE-ROOM",
                },
            }
        },
    ),
    "list_startable_agents": Examples(
        responses={
            200: {
                "One agent": {
                    "room": "webrtc",
                    "default": "shopping",
                    "agents": [{"name": "shopping", "has_panel": True}],
                }
            }
        }
    ),
    "send_offer": Examples(
        requests={
            "The first offer": {"sdp": _OFFER, "type": "offer"},
            "A lost caller returns": {
                "sdp": _OFFER,
                "type": "offer",
                "pc_id": _CONNECTION,
                "restart_pc": True,
            },
        },
        responses={
            200: {
                "The bot's answer": {
                    "sdp": _OFFER.replace("actpass", "active"),
                    "type": "answer",
                    "pc_id": _CONNECTION,
                }
            }
        },
    ),
    "send_candidates": Examples(
        requests={
            "One candidate": {
                "pc_id": _CONNECTION,
                "candidates": [
                    {
                        "candidate": "candidate:1 1 udp 2122260223 192.0.2.7 51472 typ host",
                        "sdp_mid": "0",
                        "sdp_mline_index": 0,
                    }
                ],
            }
        },
        responses={200: {"The bot took them": {}}},
    ),
    "start_agent": Examples(
        requests={
            "A room of the web app": {
                "room_url": "https://shop.daily.co/cart-7f3a",
                "token": "TOKEN-OF-THE-BOT",
                "user_id": "ana",
                "session_id": SESSION_ID,
            }
        },
        responses={200: {"The bot was launched": {"status": "started", "session_id": SESSION_ID}}},
    ),
    "stop_agent": Examples(
        responses={
            200: {
                "The bot was asked to end": {"status": "stopped"},
                "There was none": {"status": "not_found"},
            }
        }
    ),
    "list_agents": Examples(
        responses={
            200: {
                "One bot": {
                    "agents": [
                        {
                            "session_id": SESSION_ID,
                            "user_id": "ana",
                            "room_url": "https://shop.daily.co/cart-7f3a",
                        }
                    ]
                }
            }
        }
    ),
    "read_health": Examples(responses={200: {"One bot": {"status": "healthy", "active_agents": 1}}}),
    "check_liveness": Examples(
        responses={
            200: {"It works": {"status": "ok"}},
            503: {
                "It failed": {
                    "status": "unavailable",
                    "detail": "The controller has failed and must be restarted.",
                }
            },
        }
    ),
    "check_readiness": Examples(
        responses={
            200: {"It is ready": {"status": "ok"}},
            503: {
                "It is not": {
                    "status": "unavailable",
                    "detail": "The controller is shutting down.",
                }
            },
        }
    ),
    "read_metrics": Examples(responses={200: {"A gauge": _METRICS}}),
}
