"""The route for Prometheus."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response, Security

from controller.web.auth import KeyScope
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import ServicesDep
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import may_read_metrics

router = APIRouter(tags=["probes"])

_TEXT: Final = {"schema": {"type": "string"}}
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}}
}


@router.get(
    "/metrics",
    summary="Read the metrics",
    response_description="All metrics.",
    response_class=Response,
    dependencies=[Security(may_read_metrics, scopes=[str(KeyScope.READ)])],
    responses=_FORMS | refusals(*WITHOUT_THE_SCOPE),
)
async def read_metrics(request: Request, services: ServicesDep) -> Response:
    """Return all metrics: as OpenMetrics if `Accept` names it, else as plain text.

    Without PODLINE_METRICS_PORT and with a keys file, a key with scope `read` is needed.
    """
    # Readers at the separate port, or with a key, may see the traces of single calls.
    is_protected = services.settings.listeners.metrics_port is not None or services.gate.asks_for_keys
    content, media_type = services.metrics.show(request.headers.get("accept", ""), exemplars=is_protected)
    return Response(content, headers={"Content-Type": media_type})
