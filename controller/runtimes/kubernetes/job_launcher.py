"""Creation of a launch's Job and Secret. After an attempt of unknown outcome, it reads what exists."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from controller.core.errors import RuntimeUnavailable, SessionConflict, UnknownOutcome
from controller.core.primitives.backoff import RetryWait
from controller.core.runtime import Launch
from controller.core.tracing import Tracing
from controller.core.warm import WarmLaunch
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, launch_of
from controller.runtimes.kubernetes.exit_evidence import has_ended
from controller.runtimes.kubernetes.job.manifests import session_secret
from controller.runtimes.kubernetes.job.records import is_accounted, is_recorded
from controller.runtimes.kubernetes.job.warm_manifests import warm_secret

T = TypeVar("T")

LAUNCH_SECONDS: Final = 12.0
"""How long a caller waits for errors to pass. Then the outcome is unknown, and the supervisor decides."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


class _NotSettled(Exception):  # noqa: N818 - named for what happened
    """Time is up. `is_certain`: certainly no attempt has had an effect."""

    def __init__(self, error: ApiError, *, is_certain: bool) -> None:
        self.error = error
        self.is_certain = is_certain


@dataclass(frozen=True, slots=True)
class _Objects:
    """What one launch creates.

    Attributes:
        session_id: None for a warm bot.
        job: its manifest.
        secret_of: returns the Secret's manifest for the Job of this uid.
        has_secrets: False if the Secret's content is lost, so that it has to exist already.
    """

    launch_id: str
    session_id: str | None
    job: dict[str, Any]
    secret_of: Callable[[str], dict[str, Any]]
    has_secrets: bool


class JobLauncher:
    """Launches into one namespace. Repeating a launch changes nothing."""

    def __init__(
        self,
        client: NamespaceClient,
        rng: random.Random,
        is_abandoned: Callable[[str], bool],
        tracing: Tracing,
    ) -> None:
        """`is_abandoned` returns whether a launch came to nothing, so that its Job may be deleted."""
        self._client = client
        self._rng = rng
        self._is_abandoned = is_abandoned
        self._tracing = tracing

    async def launch(self, launch: Launch, manifest: dict[str, Any]) -> Job:
        """Create a session's Job and Secret.

        Raises:
            SessionConflict: another Job has this session's name.
            RuntimeUnavailable: there is no bot, and there won't be one.
            UnknownOutcome: it is not known whether there is a bot.
        """
        session = launch.session
        secret_of = partial(session_secret, launch)
        has_secrets = launch.secrets is not None
        return await self._launch(_Objects(session.launch_id, session.id, manifest, secret_of, has_secrets))

    async def launch_warm(self, launch: WarmLaunch, manifest: dict[str, Any]) -> Job:
        """Create a warm bot's Job and Secret.

        Raises:
            RuntimeUnavailable: there is no bot, and there won't be one.
            UnknownOutcome: it is not known whether there is a bot.
        """
        return await self._launch(
            _Objects(launch.bot.launch_id, None, manifest, partial(warm_secret, launch), has_secrets=True)
        )

    async def _launch(self, launch: _Objects) -> Job:
        with self._tracing.step("create Job"):
            try:
                async with asyncio.timeout(LAUNCH_SECONDS):
                    job, is_new = await self._job(launch)
            except TimeoutError:
                raise UnknownOutcome from None
        try:
            with self._tracing.step("create Secret"):
                async with asyncio.timeout(LAUNCH_SECONDS):
                    await self._secret(launch, job, is_first=is_new)
        except TimeoutError:
            raise UnknownOutcome from None
        except (RuntimeUnavailable, SessionConflict):
            if is_new:
                await self._undo(job)
            raise
        return job

    async def _job(self, launch: _Objects) -> tuple[Job, bool]:
        """Return the launch's Job, and whether this call created it."""
        name = launch.job["metadata"]["name"]
        clearing = _Attempt(lambda: self._client.find_job(name), self._rng)
        attempt = _Attempt(lambda: self._client.create_job(launch.job), self._rng)
        while True:
            try:
                return await attempt.until_settled(), True
            except ApiRefused as error:
                if not error.is_taken:
                    # A quota is checked before the name: the Job may be there, launched by another leader.
                    found = await clearing.or_unknown() if error.is_quota else None
                    if found is not None and launch_of(found.metadata) == launch.launch_id:
                        return found, attempt.is_uncertain
                    if attempt.is_uncertain:
                        # An earlier attempt may have succeeded and be the cause itself: it filled a quota.
                        raise UnknownOutcome(str(error)) from error
                    raise RuntimeUnavailable(_no_job(error)) from error
            except _NotSettled as pending:
                if not pending.is_certain:
                    raise UnknownOutcome(str(pending.error)) from pending.error
                raise RuntimeUnavailable(
                    f"The bot's Job could not be created. {pending.error}"
                ) from pending.error
            existing = await clearing.or_unknown()
            if existing is None:
                continue
            if existing.metadata.labels.launch_id == launch.launch_id:
                return existing, attempt.is_uncertain
            await self._clear_away(existing, launch)
            await clearing.pause()

    async def _clear_away(self, existing: Job, launch: _Objects) -> None:
        """Delete the finished Job of this session's former launch; refuse to launch over any other Job."""
        session_id, name = launch.session_id, existing.metadata.name
        if session_id is None:
            raise RuntimeUnavailable(
                f"The Job {name} in namespace {self._client.namespace} is something else."
            )
        if self._is_in_use(existing, session_id):
            raise SessionConflict.by_name(session_id, name, self._client.namespace)

        async def delete() -> None:
            await self._client.delete_job(existing, unless=lambda job: self._is_in_use(job, session_id))

        await _Attempt(delete, self._rng).or_unknown()

    def _is_in_use(self, job: Job, session_id: str) -> bool:
        """Return whether a Job is another's, or a launch of this session that is not over."""
        launch_id = job.metadata.labels.launch_id
        is_of_session = job.metadata.annotations.session_id == session_id
        is_done = (has_ended(job) and is_accounted(job)) or self._is_abandoned(launch_id or "")
        return launch_id is None or not is_of_session or not is_done

    async def _secret(self, launch: _Objects, job: Job, *, is_first: bool) -> None:
        """Create the bot's Secret. Its name belongs to this launch alone, so one that exists is its own.

        A quota says nothing of whether it exists, unless this is the first attempt.
        """
        manifest = launch.secret_of(job.metadata.uid)
        may_only_look = not launch.has_secrets
        attempt = _Attempt(lambda: self._client.create_secret(manifest, dry_run=may_only_look), self._rng)
        try:
            await attempt.until_settled()
        except ApiRefused as error:
            if error.is_quota and not is_first:
                raise UnknownOutcome(str(error)) from error
            if not error.is_taken:
                raise RuntimeUnavailable(f"The bot's Secret could not be created. {error}") from error
        except _NotSettled as pending:
            raise UnknownOutcome(str(pending.error)) from pending.error
        else:
            if may_only_look:
                raise RuntimeUnavailable("The token of the caller's own room is lost. Start another session.")

    async def _undo(self, job: Job) -> None:
        """Delete a Job that will never have its Secret. It has not started a bot, and can't.

        If something is recorded on it, another controller has found it and launched it again.
        """
        await _Attempt(lambda: self._client.delete_job(job, unless=is_recorded), self._rng).or_unknown()


class _Attempt:
    """One request, repeated while its error may pass.

    Attributes:
        is_uncertain: an earlier try may have had an effect.
    """

    def __init__(self, request: Callable[[], Awaitable[Any]], rng: random.Random) -> None:
        self.is_uncertain = False
        self._request = request
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._pauses = 0
        self._until = asyncio.get_running_loop().time() + LAUNCH_SECONDS - _LONGEST_PAUSE_SECONDS

    async def until_settled(self) -> Any:
        """Return the answer. Raises ApiRefused if it is final, _NotSettled when time is up."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            wait=self._backoff,
            stop=self._is_too_late_for_another,
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            return await retrying(self._try)
        except ApiError as error:
            if not error.may_pass:
                raise
            raise _NotSettled(error, is_certain=not self.is_uncertain) from error

    async def _try(self) -> Any:
        try:
            return await self._request()
        except ApiError as error:
            self.is_uncertain = self.is_uncertain or not error.is_certain
            raise

    def _is_too_late_for_another(self, _: RetryCallState) -> bool:
        return asyncio.get_running_loop().time() > self._until

    async def or_unknown(self) -> Any:
        """Return the answer. Raises UnknownOutcome if there is none."""
        try:
            return await self.until_settled()
        except _NotSettled as pending:
            raise UnknownOutcome(str(pending.error)) from pending.error
        except ApiRefused as error:
            raise UnknownOutcome(str(error)) from error

    async def pause(self) -> None:
        self._pauses += 1
        await asyncio.sleep(self._backoff.pause(self._pauses))


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.may_pass


def _no_job(error: ApiRefused) -> str:
    if error.is_quota:
        return f"The namespace's quota is used up. {error}"
    return f"The bot's Job could not be created. {error}"
