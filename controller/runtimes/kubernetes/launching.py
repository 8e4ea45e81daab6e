"""Makes a launch's Job and the Secret it owns, and settles by reading what became of an unclear attempt."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from controller.core.errors import RuntimeUnavailable, SessionConflict, UnknownOutcome
from controller.core.runtime import Launch
from controller.core.tracing import Tracing
from controller.runtimes.kubernetes.client.backoff import Backoff
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job.manifests import session_secret
from controller.runtimes.kubernetes.job.records import is_accounted
from controller.runtimes.kubernetes.status import has_ended

T = TypeVar("T")

LAUNCH_SECONDS: Final = 12.0
"""How long a caller waits for what may pass. After that nobody can say, and the supervisor takes over."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


class _NotSettled(Exception):  # noqa: N818 - named for what happened
    """Time is up. `is_certain`: no attempt can have had an effect."""

    def __init__(self, error: ApiError, *, is_certain: bool) -> None:
        self.error = error
        self.is_certain = is_certain


class Launcher:
    """Launches into one place. The same launch again changes nothing."""

    def __init__(
        self, place: NamespaceClient, rng: random.Random, is_dead: Callable[[str], bool], tracing: Tracing
    ) -> None:
        """`is_dead` tells of a launch that nobody waits for, so that its Job may be cleared away."""
        self._place = place
        self._rng = rng
        self._is_dead = is_dead
        self._tracing = tracing

    async def launch(self, launch: Launch, manifest: dict[str, Any]) -> Job:
        """Make Job and Secret.

        Raises:
            SessionConflict: another Job has this session's name.
            RuntimeUnavailable: there is no bot, and none will be.
            UnknownOutcome: nobody can say yet.
        """
        with self._tracing.step("create Job"):
            try:
                async with asyncio.timeout(LAUNCH_SECONDS):
                    job, is_new = await self._job(launch, manifest)
            except TimeoutError:
                raise UnknownOutcome from None
        try:
            with self._tracing.step("create Secret"):
                async with asyncio.timeout(LAUNCH_SECONDS):
                    await self._secret(launch, job)
        except TimeoutError:
            raise UnknownOutcome from None
        except (RuntimeUnavailable, SessionConflict):
            if is_new:
                await self._undo(job)
            raise
        return job

    async def _job(self, launch: Launch, manifest: dict[str, Any]) -> tuple[Job, bool]:
        """The launch's Job, and whether it is this call that has made it."""
        name = manifest["metadata"]["name"]
        clearing = _Attempt(lambda: self._place.find_job(name), self._rng)
        attempt = _Attempt(lambda: self._place.create_job(manifest), self._rng)
        while True:
            try:
                return await attempt.until_settled(), True
            except ApiRefused as error:
                if not error.is_taken:
                    if attempt.is_uncertain:
                        # What was sent before may have been taken, and be the very cause: a quota it filled.
                        raise UnknownOutcome(str(error)) from error
                    raise RuntimeUnavailable(_no_job(error)) from error
            except _NotSettled as pending:
                if not pending.is_certain:
                    raise UnknownOutcome(str(pending.error)) from pending.error
                raise RuntimeUnavailable(
                    f"The bot's Job could not be made. {pending.error}"
                ) from pending.error
            existing = await clearing.or_unknown()
            if existing is None:
                continue
            if existing.metadata.labels.launch_id == launch.session.launch_id:
                return existing, attempt.is_uncertain
            await self._clear_away(existing, launch)
            await clearing.pause()

    async def _clear_away(self, existing: Job, launch: Launch) -> None:
        """Delete a Job that has had its time under this session's name, else refuse the launch."""
        launch_id = existing.metadata.labels.launch_id
        is_of_session = existing.metadata.annotations.session_id == launch.session.id
        is_done = (has_ended(existing) and is_accounted(existing)) or self._is_dead(launch_id or "")
        if launch_id is None or not is_of_session or not is_done:
            raise SessionConflict.by_name(launch.session.id, existing.metadata.name, self._place.namespace)
        meta = existing.metadata
        await _Attempt(lambda: self._place.delete_job(meta.name, meta.uid), self._rng).or_unknown()

    async def _secret(self, launch: Launch, job: Job) -> None:
        """Give the bot its credentials. The name is this launch's alone, so one that is there is its own."""
        manifest = session_secret(launch, job.metadata.uid)
        may_only_look = launch.secrets is None
        attempt = _Attempt(lambda: self._place.create_secret(manifest, dry_run=may_only_look), self._rng)
        try:
            await attempt.until_settled()
        except ApiRefused as error:
            if not error.is_taken:
                raise RuntimeUnavailable(f"The bot's Secret could not be made. {error}") from error
        except _NotSettled as pending:
            raise UnknownOutcome(str(pending.error)) from pending.error
        else:
            if may_only_look:
                raise RuntimeUnavailable("The token of the caller's own room is lost. Start another session.")

    async def _undo(self, job: Job) -> None:
        """Take back a Job that will never have its Secret. It has not started a bot, and can't."""
        meta = job.metadata
        await _Attempt(lambda: self._place.delete_job(meta.name, meta.uid), self._rng).or_unknown()


class _Attempt:
    """One request, made again while it may pass."""

    def __init__(self, request: Callable[[], Awaitable[Any]], rng: random.Random) -> None:
        self._request = request
        self._backoff = Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._until = asyncio.get_running_loop().time() + LAUNCH_SECONDS - _LONGEST_PAUSE_SECONDS
        self.is_uncertain = False

    @property
    def is_late(self) -> bool:
        """Whether another attempt would come too late for whoever waits."""
        return asyncio.get_running_loop().time() > self._until

    async def until_settled(self) -> Any:
        """The answer. Raises ApiRefused for one that is final, _NotSettled when time is up."""
        while True:
            try:
                return await self._request()
            except ApiError as error:
                self.is_uncertain = self.is_uncertain or not error.is_certain
                if not error.may_pass:
                    raise
                if self.is_late:
                    raise _NotSettled(error, is_certain=not self.is_uncertain) from error
                await self.pause(error.retry_after)

    async def or_unknown(self) -> Any:
        """The answer. Raises UnknownOutcome where there is none."""
        try:
            return await self.until_settled()
        except _NotSettled as pending:
            raise UnknownOutcome(str(pending.error)) from pending.error
        except ApiRefused as error:
            raise UnknownOutcome(str(error)) from error

    async def pause(self, asked_seconds: float | None = None) -> None:
        await asyncio.sleep(self._backoff.next(asked_seconds))


def _no_job(error: ApiRefused) -> str:
    if error.is_quota:
        return f"The namespace's quota is used up. {error}"
    return f"The bot's Job could not be made. {error}"
