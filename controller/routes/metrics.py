"""For Prometheus: the metrics, in the form that is asked for."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response, Security

from controller.auth import KeyScope
from controller.errors import Forbidden, Unauthorized
from controller.problems import refusals
from controller.routes.dependencies import ServicesDep, may_read_metrics

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
    """All metrics: OpenMetrics where `Accept` names it, with sessions as exemplars, else plain text.

    Without PODLINE_METRICS_PORT and with a keys file, a key of scope `read` is needed.
    """
    content, media_type = services.metrics.show(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})
