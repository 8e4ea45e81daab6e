"""Claims of warm bots by sessions, and the end of those that none shall have.

A claim names the version of the Job that was seen, so it can have an effect on that version only. Whatever
changes the Job first, another claim, its end or that it is given up, rules the claim out for good.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception

from controller.core.errors import NotClaimed, UnknownOutcome
from controller.core.primitives.backoff import RetryWait
from controller.core.primitives.clock import Clock
from controller.core.runtime import Launch
from controller.runtimes.kubernetes.bots import Bot, Claim
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Job, Pod, launch_of
from controller.runtimes.kubernetes.exit_evidence import has_ended
from controller.runtimes.kubernetes.job.records import is_accounted
from controller.runtimes.kubernetes.job.warm_manifests import (
    PodMetadata,
    Pool,
    claim_patch,
    claimed_pod,
    give_up_patch,
    is_claimable,
    is_claimed,
    is_given_up,
)

log = logging.getLogger("podline.runtimes.kubernetes")

CLAIM_SECONDS: Final = 3.0
"""How long a start waits for a claim. Another bot would have begun by then."""

GIVE_UP_SECONDS: Final = 5.0

MARKED_AT_ONCE: Final = 2
"""How many pods get their labels at one time, so that claims in a burst come first at the API server."""

_NOT_FOUND: Final = 404
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_FOR_A_POD_SECONDS: Final = 30.0


class _ChangedAndWaits(NotClaimed):
    """The Job was not as it was seen, and its bot can still be claimed."""


class JobClaimer:
    """Gives warm bots in one namespace to sessions, or ends them."""

    def __init__(self, client: NamespaceClient, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._marking = asyncio.Semaphore(MARKED_AT_ONCE)
        self._pod_backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_FOR_A_POD_SECONDS, rng)

    # --- claims ---

    async def claim(self, bot: Bot, launch: Launch) -> None:
        """Make the bot the session's, with one write, or a second if its Job has changed and it still waits.

        The Job controller writes to a Job moments after its pod is ready.

        Raises:
            NotClaimed: the bot is not the session's, and no write under way will make it that.
            UnknownOutcome: the bot may be the session's, or become it.
        """
        session_id = launch.session.id
        if bot.session_id == session_id and not bot.is_given_up:
            return
        is_repeated = bot.claim is not None and bot.claim.session_id == session_id
        if is_repeated and bot.is_given_up:
            raise UnknownOutcome("The warm bot is being given up.")
        if not is_repeated and not bot.is_free:
            raise NotClaimed("It is gone, or not this session's.")
        try:
            async with asyncio.timeout(CLAIM_SECONDS):
                try:
                    job = await self._written(bot, launch)
                except _ChangedAndWaits:
                    job = await self._written(bot, launch)
        except TimeoutError:
            raise UnknownOutcome("The API server did not answer the claim in time.") from None
        if bot.is_given_up:
            raise UnknownOutcome("The warm bot is being given up.")
        bot.claimed(session_id, claimed_pod(job), (launch.secrets or {}).values())

    async def _written(self, bot: Bot, launch: Launch) -> Job:
        """Return the Job once it is the session's."""
        session_id = launch.session.id
        seen: Job | None = bot.job
        earlier = bot.claim
        if earlier is not None:
            # An earlier write may have had its effect, or still have it.
            try:
                seen = await self._client.find_job(bot.name)
            except ApiError as error:
                raise UnknownOutcome(str(error)) from error
            if (job := self._settled(bot, seen, session_id)) is not None:
                return job
        if seen is None:
            raise NotClaimed("It has no Job.")
        bot.claim = Claim(session_id, seen.metadata.resource_version)
        patch = claim_patch(seen, launch, self._clock.now())
        before = bot.job
        try:
            changed = await self._client.patch_job_as_seen(seen, patch)
        except ApiError as error:
            return await self._after(error, bot, session_id, is_first=earlier is None)
        bot.job_written(changed, before)
        return changed

    async def _after(self, error: ApiError, bot: Bot, session_id: str, *, is_first: bool) -> Job:
        """Find out what became of a claim that was answered with an error, or not at all."""
        is_certain = error.is_certain and is_first
        if is_certain and not _says_changed(error):
            bot.claim = None
            raise NotClaimed(str(error)) from error
        before = bot.job
        try:
            job = await self._client.find_job(bot.name)
        except ApiError as unread:
            if is_certain:
                bot.claim = None
                raise NotClaimed(str(error)) from unread
            raise UnknownOutcome(str(unread)) from error
        if is_certain and job is not None and _still_waits(job, bot.launch_id):
            bot.claim = None
            bot.job_written(job, before)
            raise _ChangedAndWaits(str(error)) from error
        ours = self._settled(bot, job, session_id)
        if ours is None and is_certain:
            bot.claim = None
            raise NotClaimed(str(error)) from error
        if ours is None:
            raise UnknownOutcome(str(error)) from error
        bot.job_written(ours, before)
        return ours

    @staticmethod
    def _settled(bot: Bot, job: Job | None, session_id: str) -> Job | None:
        """Return the Job if it is the session's; None while the claim may still have its effect.

        Raises:
            NotClaimed: the Job has changed in another way, so the claim has had no effect and never will.
        """
        if job is not None and launch_of(job.metadata) == bot.launch_id:
            if is_claimed(job) and job.metadata.annotations.session_id == session_id:
                return job
            if bot.claim is not None and job.metadata.resource_version == bot.claim.version:
                return None
        bot.claim = None
        raise NotClaimed("Its Job has changed.")

    async def mark_pod(self, bot: Bot, metadata: PodMetadata) -> None:
        """Give the pod of a claimed bot what a session's has. The call does not depend on it."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_pass), wait=self._pod_backoff, sleep=bot.change
        )
        with suppress(ApiError):
            await retrying(self._mark_pod, bot, metadata)

    async def _mark_pod(self, bot: Bot, metadata: PodMetadata) -> None:
        async with self._marking:
            await self._mark_pod_as_seen(bot, metadata)

    async def _mark_pod_as_seen(self, bot: Bot, metadata: PodMetadata) -> None:
        pod: Pod | None = bot.pod
        if pod is None or bot.is_gone:
            return
        try:
            await self._client.patch_pod(pod, metadata)
        except ApiError as error:
            if not (isinstance(error, ApiRefused) and error.status == _NOT_FOUND):
                log.warning("pod not labelled", extra={"pod": pod.metadata.name, "error": str(error)})
            raise

    # --- bots that no session shall have ---

    async def give_up(self, bot: Bot) -> None:
        """Stop the bot's Job for good, and take a claim off it. Return once that is certain.

        Raises:
            UnknownOutcome: it could not be ensured in time.
        """
        retrying = AsyncRetrying(retry=retry_if_exception(_may_pass), wait=self._backoff, sleep=asyncio.sleep)
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await retrying(self._give_up, bot)
        except TimeoutError:
            raise UnknownOutcome("The API server did not answer in time.") from None
        except ApiError as error:
            raise UnknownOutcome(str(error)) from error
        bot.claim = None

    async def _give_up(self, bot: Bot) -> None:
        if bot.job_is_gone:
            return
        seen = bot.job
        try:
            job = seen or await self._client.find_own_job(bot.name, bot.launch_id)
            now = job and await self._client.patch_job(job, give_up_patch(), unless=needs_no_giving_up)
        except ApiError as error:
            log.warning("warm bot not given up", extra={"job": bot.name, "error": str(error)})
            raise
        if now is not None:
            bot.job_written(now, seen)


def needs_no_giving_up(job: Job) -> bool:
    """Return whether a Job is given up, or never can be a session's any more.

    One that ended while it waited has a version that no claim named: none is made of a Job that has ended.
    """
    return (
        is_given_up(job) or is_accounted(job) or (has_ended(job) and job.metadata.labels.pool == Pool.WAITING)
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.may_pass


def _still_waits(job: Job, launch_id: str) -> bool:
    return launch_of(job.metadata) == launch_id and is_claimable(job) and not has_ended(job)


def _says_changed(error: ApiError) -> bool:
    return isinstance(error, ApiRefused) and (error.is_conflict or error.status in (_NOT_FOUND, 422))
