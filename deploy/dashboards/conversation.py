"""How calls sound: latency, interruptions, silences, tools, tokens."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.parts import (
    COUNT,
    PER_MINUTE,
    SECONDS,
    SHARE,
    Row,
    board,
    distribution,
    figure,
    grown,
    lines,
    per_minute,
    per_second,
    quantile,
    quantiles,
    share,
)

NOW: Final = Row(
    "Over the time shown",
    [
        figure(
            "Answers, median",
            "From the end of the caller's speech to the first audible sound of the answer.",
            SECONDS,
            quantile(0.5, "podline_response_latency_seconds_bucket{SCOPE}"),
            (1, 2),
            decimals=2,
        ),
        figure(
            "Answers, slowest in 20",
            "The 95th percentile: one answer in twenty takes longer.",
            SECONDS,
            quantile(0.95, "podline_response_latency_seconds_bucket{SCOPE}"),
            (2, 4),
            decimals=2,
        ),
        figure(
            "Turns cut short",
            "Interruptions per turn of a caller. If it rises, answers are too long, or noise is taken for "
            "speech.",
            SHARE,
            share("podline_interruptions_total{SCOPE}", "podline_turns_total{SCOPE}"),
            (0.3, 0.6),
        ),
        figure(
            "Late answers",
            "Silences of 3 s after a caller has spoken, per turn: the bot did not answer in time.",
            SHARE,
            share('podline_silences_total{SCOPE,after="caller"}', "podline_turns_total{SCOPE}"),
            (0.02, 0.05),
        ),
        figure(
            "Tools that failed",
            "As a share of all tool calls.",
            SHARE,
            share('podline_tool_calls_total{SCOPE,outcome="error"}', "podline_tool_calls_total{SCOPE}"),
            (0.01, 0.05),
        ),
        figure(
            "Tokens",
            "All tokens to and from the models selected above.",
            COUNT,
            grown("podline_tokens_total{MODEL}"),
        ),
    ],
)

ANSWERS: Final = Row(
    "Does every caller get an answer, and how fast?",
    [
        lines(
            "Turns unanswered",
            "Times a caller was owed an answer and had not heard it, by cause. The bot asks again, then "
            "reconnects; if that doesn't help either, the call ends as model_lost.",
            PER_MINUTE,
            [per_minute("podline_turns_unanswered_total{SCOPE}", "{{cause}}", "cause")],
            stacked=True,
        ),
        lines(
            "What bots did about it",
            "The model was asked again, or given the conversation so far as text because it had lost it.",
            PER_MINUTE,
            [
                per_minute("podline_answers_requested_total{SCOPE}", "asked again"),
                per_minute("podline_model_reseeds_total{SCOPE}", "reseeded"),
            ],
        ),
        lines(
            "Lost connections to the model",
            "Connections that were lost and reopened, by whether the model resumed its session. The call "
            "goes on, and the bot repeats the questions asked meanwhile.",
            PER_MINUTE,
            [per_minute("podline_model_reconnects_total{SCOPE}", "resumed: {{resumed}}", "resumed")],
            stacked=True,
        ),
        lines(
            "Latency of answers",
            "From the end of the caller's speech to the first audible sound of the answer. Each dot is one "
            "answer, with its call's trace id.",
            SECONDS,
            quantiles("podline_response_latency_seconds_bucket{SCOPE}"),
            (1, 2),
        ),
        lines(
            "First byte by service",
            "The 95th percentile of the time to the first byte of a service's answer: the part of the "
            "latency that is not ours. Those of a cascaded bot's ears, model and voice add up.",
            SECONDS,
            quantiles("podline_model_first_byte_seconds_bucket{MODEL}", "service", (0.95,)),
            (1, 2),
        ),
        distribution(
            "Latency, distribution",
            "Two bands mean two kinds of answers, for example with and without a tool.",
            SECONDS,
            "podline_response_latency_seconds_bucket{SCOPE}",
        ),
    ],
)

TALK: Final = Row(
    "Does it sound right?",
    [
        lines(
            "Turns and interruptions",
            "Turns that callers have finished, and times they cut the bot short.",
            PER_MINUTE,
            [
                per_minute("podline_turns_total{SCOPE}", "turns"),
                per_minute("podline_interruptions_total{SCOPE}", "interruptions"),
            ],
        ),
        lines(
            "Silences over 3 s",
            "By who spoke last: after the caller an answer is due, after the bot the caller is thinking.",
            PER_MINUTE,
            [per_minute("podline_silences_total{SCOPE}", "after the {{after}}", "after")],
        ),
        lines(
            "Who speaks",
            "Voices speaking at once, by side. Compared with the live calls it shows how much of them is "
            "silence.",
            COUNT,
            [per_second("podline_talk_seconds_total{SCOPE}", "{{side}}", "side")],
            stacked=True,
        ),
        lines(
            "Errors inside bots",
            "By kind, in calls that went on. The bot's log has the details.",
            PER_MINUTE,
            [per_minute("podline_bot_errors_total{SCOPE}", "{{kind}}", "kind")],
            stacked=True,
        ),
    ],
)

TOOLS: Final = Row(
    "Do tools work, and where do tokens go?",
    [
        lines(
            "Tool calls",
            "By tool and outcome.",
            PER_MINUTE,
            [per_minute("podline_tool_calls_total{SCOPE}", "{{tool}} {{outcome}}", "tool, outcome")],
            stacked=True,
        ),
        lines(
            "Duration of tool calls",
            "The 95th percentile by tool. The caller hears nothing meanwhile.",
            SECONDS,
            quantiles("podline_tool_call_duration_seconds_bucket{SCOPE}", "tool", (0.95,)),
            (2, 5),
        ),
        lines(
            "Tokens",
            "By direction and modality, each counted once.",
            PER_MINUTE,
            [per_minute("podline_tokens_total{MODEL}", "{{direction}} {{modality}}", "direction, modality")],
            stacked=True,
        ),
    ],
)

CONVERSATION: Final = board(
    "conversation",
    "Conversation",
    "How calls sound: latency, interruptions, silences, tools, tokens.",
    [NOW, ANSWERS, TALK, TOOLS],
    by_model=True,
)
