"""What calls cost, and what drives it."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.parts import (
    COUNT,
    PER_MINUTE,
    SHARE,
    Query,
    Row,
    board,
    figure,
    grown,
    lines,
    per_minute,
    per_second,
    share,
)

NOW: Final = Row(
    "Over the time shown, by the price file",
    [
        figure(
            "Cost",
            "Of tokens, transcribed audio and speech, at the prices of the day their session was accepted.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[$__range]))",
            decimals=2,
        ),
        figure(
            "Cost of the last hour",
            "The alert PodlineCost compares it with the limit in the rules.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[1h]))",
            decimals=2,
        ),
        figure(
            "Cost of a call",
            "The cost over the time shown, per session that ended in it.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[$__range]))"
            " / on () group_left () sum(increase(podline_session_ends_total{SCOPE}[$__range]))",
            decimals=3,
        ),
        figure(
            "Cached input",
            "Share of input tokens that were read from a cache: they cost a fraction of the price.",
            SHARE,
            share(
                'podline_tokens_total{MODEL,direction="cached_input"}',
                'podline_tokens_total{MODEL,direction=~"input|cached_input"}',
            ),
        ),
        figure(
            "Tokens without a price",
            "Tokens that have no price in the file; no cost includes them. Audio and characters without one "
            "raise the same alert.",
            COUNT,
            "sum(increase(podline_unpriced_tokens_total{MODEL}[$__range])) or vector(0)",
            (1,),
        ),
        figure(
            "Sessions with partial usage",
            "Sessions whose bot left no final report: they may have cost more than was recorded.",
            COUNT,
            grown("podline_sessions_partial_usage_total{SCOPE}"),
            (1, 10),
        ),
    ],
)

OVER_TIME: Final = Row(
    "Where does it go?",
    [
        lines(
            "Cost per hour by model",
            "Cost of the past hour at each moment, stacked; the legend names the currency.",
            COUNT,
            [
                Query(
                    "sum by (model, currency) (increase(podline_cost_total{MODEL}[1h]))",
                    "{{model}} {{currency}}",
                )
            ],
            stacked=True,
            span=12,
        ),
        lines(
            "Cost per hour, and its limit",
            "Above the limit, the alert PodlineCost wakes somebody; docs/observing.md says how to set it.",
            COUNT,
            [
                Query("sum by (currency) (increase(podline_cost_total{MODEL}[1h]))", "{{currency}}"),
                Query("max(podline:cost_per_hour:limit)", "limit"),
            ],
            span=12,
        ),
        lines(
            "Cost per hour by agent",
            "Cost of the past hour at each moment, stacked; the legend names the currency.",
            COUNT,
            [
                Query(
                    "sum by (agent, currency) (increase(podline_cost_total{MODEL}[1h]))",
                    "{{agent}} {{currency}}",
                )
            ],
            stacked=True,
        ),
        lines(
            "Cost per hour by service",
            "Cost of the past hour at each moment: what a cascaded bot's ears, model and voice cost.",
            COUNT,
            [
                Query(
                    "sum by (service, currency) (increase(podline_cost_total{MODEL}[1h]))",
                    "{{service}} {{currency}}",
                )
            ],
            stacked=True,
        ),
        lines(
            "Cost of a minute of talk",
            "Cost per minute that either side spoke. It rises with the length of the context that the model "
            "reads again.",
            COUNT,
            [
                Query(
                    "60 * sum by (currency) (increase(podline_cost_total{MODEL}[1h]))"
                    " / on () group_left () sum(increase(podline_talk_seconds_total{SCOPE}[1h]))",
                    "{{currency}}",
                )
            ],
        ),
        lines(
            "Tokens by model",
            "All directions and modalities combined.",
            PER_MINUTE,
            [per_minute("podline_tokens_total{MODEL}", "{{model}}", "model")],
            stacked=True,
        ),
        lines(
            "Tokens by kind",
            "By direction and modality: audio costs several times as much as text, and output more than "
            "input.",
            PER_MINUTE,
            [per_minute("podline_tokens_total{MODEL}", "{{direction}} {{modality}}", "direction, modality")],
            stacked=True,
        ),
        lines(
            "Audio transcribed",
            "Audio that speech-to-text services were sent, in seconds per second: how many callers are "
            "listened to at once.",
            COUNT,
            [
                per_second(
                    "podline_transcribed_seconds_total{MODEL}", "{{service}} {{model}}", "service, model"
                )
            ],
            stacked=True,
        ),
        lines(
            "Characters spoken",
            "Characters that text-to-speech services were given.",
            PER_MINUTE,
            [
                per_minute(
                    "podline_synthesized_characters_total{MODEL}", "{{service}} {{model}}", "service, model"
                )
            ],
            stacked=True,
        ),
    ],
)

COST: Final = board("cost", "Cost", "What calls cost, and what drives it.", [NOW, OVER_TIME], by_model=True)
