"""For Prometheus: the metrics, in the form that is asked for."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from controller.routes.dependencies import ServicesDep

router = APIRouter(tags=["probes"])

_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}
}


@router.get("/metrics", response_class=Response, responses=_FORMS)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """All metrics: OpenMetrics where `Accept` names it, with sessions as exemplars, else plain text."""
    content, media_type = services.metrics.show(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})
