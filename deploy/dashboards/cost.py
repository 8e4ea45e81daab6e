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
    share,
)

NOW: Final = Row(
    "Over the time shown, by the price file",
    [
        figure(
            "Cost",
            "What tokens cost at the prices of the day their session was accepted, for each currency.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[$__range]))",
            decimals=2,
        ),
        figure(
            "Cost of the last hour",
            "The alert PodlineCost compares it with the limit that the rules name.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[1h]))",
            decimals=2,
        ),
        figure(
            "Cost of a call",
            "The cost over the time shown, for each session that ended in it.",
            COUNT,
            "sum by (currency) (increase(podline_cost_total{MODEL}[$__range]))"
            " / on () group_left () sum(increase(podline_session_ends_total{SCOPE}[$__range]))",
            decimals=3,
        ),
        figure(
            "Cached input",
            "Tokens that were read from a cache, of all input: they cost a part of the price.",
            SHARE,
            share(
                'podline_tokens_total{MODEL,direction="cached_input"}',
                'podline_tokens_total{MODEL,direction=~"input|cached_input"}',
            ),
        ),
        figure(
            "Tokens without a price",
            "Tokens of models that the price file does not name; they are in no cost.",
            COUNT,
            "sum(increase(podline_unpriced_tokens_total{MODEL}[$__range])) or vector(0)",
            (1,),
        ),
        figure(
            "Sessions of partial use",
            "Sessions whose bot left no final report: they may have cost more than is on record.",
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
            "What the last hour cost, at each moment, stacked; the currency is in the legend.",
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
            "Over the limit the alert PodlineCost wakes somebody; docs/operations.md says how to set it.",
            COUNT,
            [
                Query("sum by (currency) (increase(podline_cost_total{MODEL}[1h]))", "{{currency}}"),
                Query("max(podline:cost_per_hour:limit)", "limit"),
            ],
            span=12,
        ),
        lines(
            "Cost of a minute of talk",
            "Cost for each minute that either side spoke. It rises with the length of what a model is told "
            "again.",
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
            "All directions and modalities together.",
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
    ],
)

COST: Final = board("cost", "Cost", "What calls cost, and what drives it.", [NOW, OVER_TIME], by_model=True)
