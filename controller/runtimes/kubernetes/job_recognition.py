"""What a controller learns from a Job that it did not launch, or that another one has changed."""

from __future__ import annotations

import logging

from controller.core.endings import ending_for
from controller.core.runtime import Observation
from controller.core.session import Ending, Session
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.exit_evidence import has_ended
from controller.runtimes.kubernetes.job.records import read_intent, read_session, why_unread
from controller.runtimes.kubernetes.job.warm_manifests import (
    claimed_pod,
    is_claimed,
    is_given_up,
    is_stopped,
    read_warm,
)
from podline.contract.reasons import Reason

log = logging.getLogger("podline.runtimes.kubernetes")


def recognise(bot: Bot, job: Job) -> Observation | None:
    """Let the bot know what its Job says of it. Return what is news to the supervisor; None if nothing is."""
    if bot.is_known:
        return _claimed_elsewhere(bot, job)
    session = read_session(job)
    if session is not None:
        return _found(bot, job, session)
    warm = read_warm(job)
    if warm is not None and not has_ended(job):
        bot.found_warm()
        return Observation(launch_id=bot.launch_id, warm=warm)
    if is_given_up(job) and is_stopped(job) and not has_ended(job):
        # Nobody's any more, and still to be ended if its node is dead.
        bot.gave_up()
    elif job.metadata.labels.pool is None or is_claimed(job):
        _note_unread(bot, job)
    return None


def _claimed_elsewhere(bot: Bot, job: Job) -> Observation | None:
    """Report a warm bot that an earlier controller has given to a session, by a write that came late."""
    if not bot.may_be_claimed or not is_claimed(job):
        return None
    session = read_session(job)
    if session is None or (bot.claim is not None and bot.claim.session_id == session.id):
        return None
    return _found(bot, job, session)


def _found(bot: Bot, job: Job, session: Session) -> Observation:
    bot.found(session)
    if is_claimed(job) and not session.phase.is_end:
        bot.claimed(session.id, claimed_pod(job), ())
    # With why it must leave, if it must: otherwise its launch would be finished first.
    return Observation(launch_id=bot.launch_id, found=session, intent=intent_on(job))


def intent_on(job: Job) -> Ending | None:
    """Return why a bot must leave, by its Job: stopped by an earlier controller or kubectl, or suspended.

    A Job that was suspended has lost its bot, and would start a second one when it is resumed.
    """
    if (intent := read_intent(job.metadata)) is not None:
        return intent
    return ending_for(Reason.VANISHED) if job.spec.suspend else None


def _note_unread(bot: Bot, job: Job) -> None:
    """Log, once, that a session is left alone because another release has to look after it."""
    reason = why_unread(job)
    if reason is not None and not bot.is_left_alone:
        bot.is_left_alone = True
        extra = {"job": job.metadata.name, "problem": f"{names.CONTRACT} {reason}"}
        log.error("session of another contract left alone", extra=extra)
