"""A launcher over the fake API server, and what it leaves there."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from controller.core.endings import ending_for
from controller.core.runtime import Launch
from controller.core.tracing import Tracing, Untraced
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job.records import progress_patch
from controller.runtimes.kubernetes.job_launcher import JobLauncher
from podline.contract.reasons import Reason
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import api_to

LATER: Final = {"launch_id": "launch-2"}


class Site:
    """A launcher, and the server it launches into."""

    def __init__(
        self, server: ApiServer, client: NamespaceClient, abandoned: set[str], tracing: Tracing
    ) -> None:
        self.server = server
        self.cluster = Cluster(server.objects)
        self.abandoned = abandoned
        rng = random.Random(1)  # noqa: S311 - the same each time
        self._launcher = JobLauncher(client, rng, abandoned.__contains__, tracing)

    async def launch(self, launch: Launch | None = None) -> Job:
        launch = launch or made.launch()
        return await self._launcher.launch(launch, made.manifest(launch))

    @property
    def jobs(self) -> list[Thing]:
        return self.server.objects.all("jobs", "podline")

    @property
    def secrets(self) -> list[Thing]:
        return self.server.objects.all("secrets", "podline")

    def assert_launched(self, launch_id: str = "launch-1") -> None:
        """One Job of this launch, and one Secret that is its own."""
        [job], [secret] = self.jobs, self.secrets
        assert job["metadata"]["labels"][names.LAUNCH_ID] == launch_id
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]

    def written(self) -> list[tuple[str, str]]:
        """Each write that was asked for: its method and what it was for."""
        writes = (each for each in self.server.asked if each.method != "GET")
        return [(each.method, each.path.rpartition("podline/")[2]) for each in writes]

    def ended(self, launch: Launch) -> None:
        """Leave behind what a session that is over and accounted for leaves: its Job."""
        over = launch.session.ended(ending_for(Reason.CALLER_LEFT), made.NOW)
        self.server.objects.create("jobs", "podline", made.manifest(launch))
        self.server.objects.patch("jobs", "podline", "cart-7", progress_patch(over))
        self.cluster.end_job("cart-7", "Complete", "CompletionsReached")


@asynccontextmanager
async def launching(tracing: Tracing | None = None) -> AsyncIterator[Site]:
    async with serve_api() as server, api_to(server) as api:
        yield Site(server, NamespaceClient(api, "podline"), set(), tracing or Untraced())


def again() -> Launch:
    """Another launch under the same session id."""
    return made.launch(session=made.session(**LATER))
