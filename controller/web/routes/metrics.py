"""For Prometheus: the metrics, in the form that is asked for."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response, Security

from controller.core.errors import Forbidden, Unauthorized
from controller.web.auth import KeyScope
from controller.web.problems import refusals
from controller.web.routes.dependencies import ServicesDep, may_read_metrics

router = APIRouter(tags=["probes"])

_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}
}


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Security(may_read_metrics, scopes=[str(KeyScope.READ)])],
    responses=_FORMS | refusals(Unauthorized) | refusals(Forbidden),
)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """All metrics: OpenMetrics where `Accept` names it, else plain text.

    Without PODLINE_METRICS_PORT and with a keys file, a key of scope `read` is needed.
    """
    # Whoever gets here has come to a port of its own, or shown a key: they may know of single calls.
    is_protected = services.settings.listeners.metrics_port is not None or services.gate.asks_for_keys
    content, media_type = services.metrics.show(request.headers.get("accept", ""), exemplars=is_protected)
    return Response(content, headers={"Content-Type": media_type})
