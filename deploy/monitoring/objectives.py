"""The two objectives, and alerts on how fast their error budgets burn.

Windows, burn rates and severities are those of The Site Reliability Workbook (Google, 2018), chapter 5,
"Alerting on SLOs", under "Multiwindow, Multi-Burn-Rate Alerts", for 30 days: a page where 2 % of
the budget went in an hour or 5 % in six, a ticket where 10 % went in a day or in three. The short window, a
twelfth of the long one, ends an alert soon after its cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from deploy.monitoring.rules import Alert, Recording


@dataclass(frozen=True)
class Burn:
    """How fast a budget may burn over both windows, as a multiple of the rate that uses it up in 30 days."""

    rate: float
    long: str
    short: str


PAGE: Final = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
TICKET: Final = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FEWEST_TO_PAGE: Final = 3
"""With fewer bad calls within six hours nobody is woken, however few calls there are."""


@dataclass(frozen=True)
class Objective:
    """A share of calls that may be bad, and which calls are.

    Attributes:
        alerts: how the names of its alerts begin.
        series: the name of its recorded share of bad calls, without the window.
        budget: the share of calls that may be bad.
        bad: the expression that counts bad calls; WINDOW and FUNCTION are filled in.
        all: the same for all calls that are judged.
        says: what goes wrong in a bad call.
    """

    alerts: str
    series: str
    budget: float
    bad: str
    all: str
    says: str

    def ratio(self, window: str) -> str:
        return f"namespace:{self.series}:ratio_rate{window}"

    def recordings(self) -> list[Recording]:
        return [
            Recording(
                self.ratio(window), f"{_over(self.bad, 'rate', window)}\n/\n{_over(self.all, 'rate', window)}"
            )
            for window in WINDOWS
        ]

    def burn_alerts(self) -> list[Alert]:
        enough = f"{_over(self.bad, 'increase', '6h')} >= {FEWEST_TO_PAGE}"
        page = f"(\n{self._burns(PAGE)}\n)\nand\n{enough}"
        return [self._alert("Fast", "page", page), self._alert("Slow", "ticket", self._burns(TICKET))]

    def _burns(self, burns: tuple[Burn, Burn]) -> str:
        return "\nor\n".join(
            f"(\n  {self.ratio(burn.long)} > {burn.rate:g} * {self.budget:g}"
            f"\n  and\n  {self.ratio(burn.short)} > {burn.rate:g} * {self.budget:g}\n)"
            for burn in burns
        )

    def _alert(self, speed: str, severity: Literal["page", "ticket"], expression: str) -> Alert:
        return Alert(
            name=f"{self.alerts}Burn{speed}",
            severity=severity,
            expression=expression,
            summary=f"Too many calls {self.says}.",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of calls {self.says}; "
                f"the objective allows {self.budget * 100:g} %."
            ),
        )


def _over(expression: str, function: str, window: str) -> str:
    return expression.replace("FUNCTION", function).replace("WINDOW", window)


# A call is judged once: when the bot speaks, or when the call ends before that. A call whose bot waited for a
# caller who never joined is not judged, unless the bot failed meanwhile.
_SILENT: Final = (
    'FUNCTION(podline_session_furthest_stage_total{stage!~"joined|first_speech|unknown"}[WINDOW])',
    'FUNCTION(podline_session_furthest_stage_total{stage="joined",phase="failed"}[WINDOW])',
)


def _judged(indent: str) -> str:
    counts = ("FUNCTION(podline_session_start_seconds_count[WINDOW])", *_SILENT)
    return f"\n{indent}or\n".join(f"{indent}{each}" for each in counts)


OBJECTIVES: Final = (
    Objective(
        alerts="PodlineStarts",
        series="podline_late_starts",
        budget=0.01,
        bad=(
            f"(\n  sum by (namespace) (\n{_judged('    ')}\n  )\n  -\n  sum by (namespace) (\n"
            '    FUNCTION(podline_session_start_seconds_bucket{le="10.0"}[WINDOW])\n  )\n)'
        ),
        all=f"sum by (namespace) (\n{_judged('  ')}\n)",
        says="did not reach first speech within 10 s",
    ),
    Objective(
        alerts="PodlineFailures",
        series="podline_failed_sessions",
        budget=0.005,
        bad='sum by (namespace) (FUNCTION(podline_session_ends_total{phase="failed"}[WINDOW]))',
        all="sum by (namespace) (FUNCTION(podline_session_ends_total[WINDOW]))",
        says="ended in a failure",
    ),
)
