"""A bot goes from its launch to one exit, in whatever order things happen, and never comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.core.endings import ending_for
from controller.runtimes.kubernetes.bots import TRANSITIONS, Bot, BotState
from podline.contract.reasons import Reason
from tests.unit.controller.runtimes.kubernetes import made, shapes

SESSION = made.session()
ENDED_SESSION = SESSION.ended(ending_for(Reason.COMPLETED), made.NOW)
JOBS = [shapes.job(), shapes.job(*shapes.COMPLETE), shapes.job(*shapes.DEADLINE, deadline=0)]
RUNNING = {"running": {"startedAt": shapes.SEEN}}
EXITED = {"terminated": {"exitCode": 0}}
PODS = [shapes.pod("Pending"), shapes.pod("Running", RUNNING), shapes.pod("Succeeded", EXITED)]


def in_state(state: BotState) -> Bot:
    return Bot("launch-1", "cart-7", state=state, job_is_gone=True)


def all_events(bot: Bot) -> list[Any]:
    return [
        lambda: bot.launching("cart-7", ["secret"]),
        bot.launched,
        lambda: bot.found(SESSION),
        lambda: bot.found(ENDED_SESSION),
        bot.abandon,
        bot.conclude,
        bot.ended,
    ]


@pytest.mark.parametrize("state", BotState)
def test_each_event_leads_where_the_table_allows_or_changes_nothing(state: BotState) -> None:
    for number in range(len(all_events(in_state(state)))):
        bot = in_state(state)
        all_events(bot)[number]()
        assert bot.state is state or bot.state in TRANSITIONS[state]


@pytest.mark.parametrize("state", BotState)
def test_each_transition_of_the_table_is_made_by_an_event(state: BotState) -> None:
    reached = set()
    for number in range(len(all_events(in_state(state)))):
        bot = in_state(state)
        all_events(bot)[number]()
        reached.add(bot.state)
    assert reached - {state} == TRANSITIONS[state]


class Events(RuleBasedStateMachine):
    """Events in any order. What the tracker does in tasks, it does some time later."""

    def __init__(self) -> None:
        super().__init__()
        self.bot = Bot("launch-1", "cart-7")
        self.exits = 0
        self.attempts = 0
        self.is_concluding = False
        self.was = BotState.UNKNOWN
        self.details_at_the_end: Any = None

    @rule()
    def a_launch_begins(self) -> None:
        self.attempts += 1
        self.bot.launching("cart-7", ["secret"])

    @precondition(lambda self: self.attempts)
    @rule(came_to_nothing=st.booleans())
    def a_launch_returns(self, *, came_to_nothing: bool) -> None:
        self.attempts -= 1
        if came_to_nothing and not self.bot.was_found:
            # The caller of the launch is answered with the failure: that is its exit.
            self.exits += self.bot.abandon()
        self.bot.launched()

    @precondition(lambda self: not self.bot.is_known)
    @rule(session=st.sampled_from([SESSION, ENDED_SESSION]))
    def it_is_found(self, session: Any) -> None:
        # An end that an earlier controller recorded is the exit.
        self.exits += session.phase.is_end
        self.bot.found(session)

    @rule(reason=st.sampled_from(Reason))
    def it_is_asked_to_leave(self, reason: Reason) -> None:
        intent, was_over = self.bot.intent, self.bot.is_over
        is_news = self.bot.asked_to_leave(ending_for(reason))
        assert is_news is (intent is None and not was_over)
        assert is_news or self.bot.intent is intent

    @precondition(lambda self: self.bot.intent is not None)
    @rule()
    def there_was_nothing_to_stop(self) -> None:
        self.exits += self.bot.abandon()

    @rule(job=st.sampled_from(JOBS))
    def its_job_is_seen(self, job: Any) -> None:
        self.bot.job_seen(job)

    @rule(job=st.none() | st.sampled_from(JOBS))
    def its_job_is_gone(self, job: Any) -> None:
        self.bot.job_gone(job)

    @rule(pod=st.sampled_from(PODS))
    def its_pod_is_seen(self, pod: Any) -> None:
        self.bot.pod_seen(pod)

    @rule(pod=st.none() | st.sampled_from(PODS))
    def its_pod_is_gone(self, pod: Any) -> None:
        self.bot.pod_gone(pod)

    @rule()
    def it_is_looked_at(self) -> None:
        if self.bot.conclude():
            assert not self.is_concluding
            self.is_concluding = True

    @precondition(lambda self: self.is_concluding)
    @rule()
    def its_evidence_is_gathered(self) -> None:
        self.is_concluding = False
        self.bot.ended()
        self.exits += 1

    @invariant()
    def it_has_one_exit_exactly_when_it_is_over(self) -> None:
        assert self.exits == self.bot.is_over

    @invariant()
    def it_moves_as_the_table_allows(self) -> None:
        assert self.bot.state is self.was or self.bot.state in TRANSITIONS[self.was]
        self.was = self.bot.state

    @invariant()
    def gone_is_final(self) -> None:
        if not self.bot.is_over:
            return
        # Its Job is followed for as long as the end of its session is to be recorded there.
        details = (self.bot.state, self.bot.job is None, self.bot.pod, self.bot.intent, self.bot.secrets)
        self.details_at_the_end = self.details_at_the_end or details
        assert details == self.details_at_the_end
        assert self.bot.is_gone

    def teardown(self) -> None:
        """Whatever has happened: a known bot whose Job and pod end has one exit."""
        while self.attempts:
            self.a_launch_returns(came_to_nothing=False)
        self.bot.pod_gone(None)
        self.bot.job_gone(None)
        self.it_is_looked_at()
        if self.is_concluding:
            self.its_evidence_is_gathered()
        assert self.exits == self.bot.is_known


TestEvents = Events.TestCase
TestEvents.settings = settings(max_examples=200, stateful_step_count=30)
