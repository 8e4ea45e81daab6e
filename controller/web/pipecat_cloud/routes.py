"""All routes of Pipecat Cloud's API, in the order in which they are tried."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from controller.web.pipecat_cloud import absent, organizations, public, secret_sets, services

ROUTERS: Final[tuple[APIRouter, ...]] = (
    organizations.router,
    organizations.inner,
    services.router,
    secret_sets.router,
    public.router,
    absent.router,
)
