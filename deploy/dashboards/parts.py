"""Panels, rows and variables that all boards share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
SCOPE: Final = 'namespace=~"$namespace"'
MODEL: Final = f'{SCOPE},model=~"$model"'
COLOURS: Final = ("green", "yellow", "red")

SECONDS: Final = "s"
SHARE: Final = "percentunit"
COUNT: Final = "short"
PER_MINUTE: Final = "cpm"
PER_SECOND: Final = "cps"
BYTES: Final = "bytes"

Panel: TypeAlias = timeseries.Panel | stat.Panel | heatmap.Panel


@dataclass(frozen=True)
class Query:
    """One query of a panel; SCOPE and MODEL in it become the board's variables.

    Attributes:
        expression: in PromQL.
        legend: the name of its series, a Grafana template.
        exemplars: True to show single calls on it, by their traces.
    """

    expression: str
    legend: str
    exemplars: bool = False

    def target(self, ref: str, *, instant: bool = False) -> prometheus.Dataquery:
        built = prometheus.Dataquery().expr(scoped(self.expression)).legend_format(self.legend).ref_id(ref)
        built = built.instant() if instant else built.range()
        return built.exemplar(exemplar=True) if self.exemplars else built


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: Sequence[Panel]


def scoped(expression: str) -> str:
    return expression.replace("MODEL", MODEL).replace("SCOPE", SCOPE)


def quantiles(histogram: str, by: str = "", of: Sequence[float] = (0.5, 0.9, 0.99)) -> list[Query]:
    """Quantiles of a histogram over time, with exemplars on the highest.

    Args:
        histogram: the selector of its buckets.
        by: a label to split by.
        of: which quantiles.
    """
    labels, name = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    return [
        Query(
            f"histogram_quantile({each:g}, sum by ({labels}) (rate({histogram}[$__rate_interval])))",
            f"{name}{each * 100:g} %",
            exemplars=each == max(of),
        )
        for each in of
    ]


def grown(counter: str) -> str:
    """Return a counter's growth over the time that the board shows."""
    return f"sum(increase({counter}[$__range]))"


def share(part: str, whole: str) -> str:
    """Return one counter's growth as a share of another's, over the time that the board shows."""
    return f"{grown(part)} / {grown(whole)}"


def of_leader(gauge: str, by: str = "") -> str:
    """Sum over installations a gauge that only the leader of each has.

    For one scrape after a hand-over both have it, the former leader with its last value.

    Args:
        gauge: its selector.
        by: a label to split by.
    """
    split, labels = (f" by ({by}) ", f"namespace, {by}") if by else ("", "namespace")
    return f"sum{split}(max by ({labels}) ({gauge}))"


def quantile(of: float, histogram: str) -> str:
    """Return one quantile over the whole time that the board shows."""
    return f"histogram_quantile({of:g}, sum by (le) (increase({histogram}[$__range])))"


def per_second(counter: str, legend: str, by: str = "", times: int = 1) -> Query:
    """Return a counter's rate over time."""
    factor = f"{times} * " if times != 1 else ""
    total = f"sum by ({by}) " if by else "sum"
    return Query(f"{factor}{total}(rate({counter}[$__rate_interval]))", legend)


def per_minute(counter: str, legend: str, by: str = "") -> Query:
    return per_second(counter, legend, by, 60)


def figure(
    title: str,
    says: str,
    unit: str,
    query: str,
    limits: Sequence[float] = (),
    *,
    at_least: bool = False,
    decimals: int = 0,
) -> stat.Panel:
    """Show one number, over the time that the board shows.

    Args:
        title: what it measures.
        says: a sentence of help.
        unit: Grafana's name for the unit.
        query: the expression to show.
        limits: where it deserves a look, and where it is wrong.
        at_least: True if it is wrong below the limits.
        decimals: how many to show.
    """
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .unit(unit)
        .decimals(decimals)
        .thresholds(_thresholds(limits, at_least=at_least))
        .color_mode(choices.BigValueColorMode.VALUE)
        .graph_mode(choices.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(Query(query, "__auto").target("A", instant=True))
        .height(4)
        .span(4)
    )


def lines(
    title: str,
    says: str,
    unit: str,
    queries: Sequence[Query],
    limits: Sequence[float] = (),
    *,
    stacked: bool = False,
    span: int = 8,
) -> timeseries.Panel:
    """Show series over time; `limits` are drawn as lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(limits))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                choices.GraphTresholdsStyleMode.DASHED if limits else choices.GraphTresholdsStyleMode.OFF
            )
        )
        .fill_opacity(40 if stacked else 5)
        .show_points(choices.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(choices.TooltipDisplayMode.MULTI)
            .sort(choices.SortOrder.DESCENDING)
        )
        .height(8)
        .span(span)
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))
    for ref, query in zip("ABCDEF", queries, strict=False):
        panel = panel.with_target(query.target(ref))
    return panel


def distribution(title: str, says: str, unit: str, histogram: str) -> heatmap.Panel:
    """Show the distribution of values over time."""
    query = prometheus.Dataquery().expr(scoped(f"sum by (le) (increase({histogram}[$__rate_interval]))"))
    return (
        heatmap.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .thresholds(_thresholds(()))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .show_tooltip()
        .with_target(
            query.format(PromQueryFormat.HEATMAP)
            .legend_format("{{le}}")
            .ref_id("A")
            .range()
            .exemplar(exemplar=True)
        )
        .height(8)
        .span(8)
    )


def board(
    name: str, title: str, says: str, rows: Sequence[Row], *, by_model: bool = False
) -> dashboard.Dashboard:
    """Build a whole board, with its variables and links to the others."""
    built = (
        dashboard.Dashboard(f"Podline: {title}")
        .uid(f"podline-{name}")
        .description(says)
        .tags(["podline"])
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Podline")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["podline"])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_values("namespace", "Namespace", "label_values(podline_ready, namespace)"))
    )
    if by_model:
        used = "podline_(tokens|transcribed_seconds|synthesized_characters)_total"
        query = f'label_values({{__name__=~"{used}",{SCOPE}}}, model)'
        built = built.with_variable(_values("model", "Model", query))
    identity = 0
    for row in rows:
        identity += 1
        built = built.with_row(dashboard.Row(row.title).id(identity))
        for panel in row.panels:
            identity += 1
            built = built.with_panel(panel.id(identity))
    return built


def as_json(built: dashboard.Dashboard) -> str:
    return json.dumps(built.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _values(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Offer a choice among a label's values. "All" includes series that do not have the label."""
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(DATASOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(everything)
    )


def _thresholds(limits: Sequence[float], *, at_least: bool = False) -> dashboard.ThresholdsConfig:
    """Green, then yellow and red at each limit; with `at_least`, red first and green from the last limit."""
    colours = COLOURS[: len(limits) + 1]
    if at_least:
        colours = ("red", "yellow", "green") if len(limits) > 1 else ("red", "green")
    steps = zip(colours, [None, *sorted(limits)], strict=True)
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(color=colour, value=value) for colour, value in steps])
    )
