"""When a task is settled, widened, escalated or left waiting, and which one an expert sees first."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import escalation
from quality.escalation import Action, Basis, Decision, Fallback, Progress, Rule, Standing

RULE = Rule(overlap_min=5, overlap_max=12, confidence_min=0.9, voter_votes_min=40, expert_price=30, expert_share=0.2)
UNDER_WAY = Progress(n_tasks=100, n_settled=50, n_escalated=0, n_outstanding=20)
DRAINED = replace(UNDER_WAY, n_outstanding=0)

SURE = Standing(n_answers=6, confidence=0.97, gain=0.0, voter_votes=60)
UNSURE = Standing(n_answers=6, confidence=0.7, gain=0.05, voter_votes=60)
FUTILE = replace(UNSURE, gain=0.001)
EXHAUSTED = replace(UNSURE, n_answers=12)


def decide(standing: Standing, progress: Progress = UNDER_WAY, *, experts_left: int = 1) -> Decision:
    return escalation.decide(standing, RULE, progress, experts_left=experts_left)


DRAWN = replace(SURE, drawn=True)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    confidence = draw(st.floats(0.25, 1.0))
    return Standing(
        n_answers=draw(st.integers(0, 14)),
        confidence=confidence,
        gain=draw(st.floats(0.0, 1.0)) * (1 - confidence),
        voter_votes=draw(st.floats(0.0, 200.0)),
        stake=draw(st.sampled_from([0.0, 0.0, 20.0, 1000.0])),
        contested=draw(st.booleans()),
    )


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    n_settled, n_escalated = draw(st.integers(0, 50)), draw(st.integers(0, 20))
    n_tasks = n_settled + n_escalated + draw(st.integers(8, 50))
    return Progress(n_tasks, n_settled, n_escalated, n_outstanding=draw(st.integers(0, 30)))


def test_a_sure_task_with_known_voters_is_settled() -> None:
    decision = decide(SURE)

    assert decision == Decision(Action.SETTLE, "confidence 0.97 after 6 answers reached the target 0.90")


def test_a_task_below_its_least_overlap_gets_more_answers_however_sure() -> None:
    decision = decide(replace(SURE, n_answers=1))

    assert decision == Decision(Action.WIDEN, "confidence 0.97 after 1 answer: every task gets 5")


def test_a_sure_task_waits_while_its_voters_are_little_known() -> None:
    decision = decide(replace(SURE, voter_votes=12))

    assert decision.action is Action.WAIT
    assert "12 votes each of 40" in decision.reason


def test_a_sure_task_waits_no_longer_when_nothing_more_will_come() -> None:
    assert decide(replace(SURE, voter_votes=12), DRAINED).action is Action.SETTLE


def test_an_answer_worth_its_price_against_an_expert_is_asked_for() -> None:
    decision = decide(UNSURE)

    assert decision.action is Action.WIDEN
    assert decision.reason == (
        "confidence 0.70 after 6 answers is below the target 0.90; "
        "one more answer is expected to lower the error by 0.050"
    )


@pytest.mark.parametrize(("gain", "action"), [(0.0101, Action.WIDEN), (0.0099, Action.ESCALATE)])
def test_an_answer_is_worth_asking_for_when_thirty_of_them_would_do_what_an_expert_does(
    gain: float, action: Action
) -> None:
    assert decide(replace(UNSURE, gain=gain)).action is action


def test_a_task_whose_answers_help_no_more_goes_to_an_expert() -> None:
    decision = decide(FUTILE)

    assert decision.action is Action.ESCALATE
    assert "another answer costs more than it helps" in decision.reason


def test_a_task_at_its_largest_overlap_goes_to_an_expert() -> None:
    decision = decide(EXHAUSTED)

    assert decision.action is Action.ESCALATE
    assert decision.reason == (
        "confidence 0.70 after 12 answers is below the target 0.90 and no more may be asked: an expert decides"
    )


def test_without_an_expert_for_now_a_task_waits_for_one() -> None:
    assert decide(EXHAUSTED, experts_left=0).action is Action.WAIT


def test_without_any_expert_left_a_task_is_widened_to_its_largest_overlap() -> None:
    decision = decide(FUTILE, DRAINED, experts_left=0)

    assert decision.action is Action.WIDEN
    assert "no expert is left" in decision.reason


def test_without_experts_and_answers_left_a_task_is_settled_and_flagged() -> None:
    decision = decide(EXHAUSTED, DRAINED, experts_left=0)

    assert decision.action is Action.SETTLE
    assert decision.flagged


def test_a_project_without_experts_never_waits_for_one() -> None:
    alone = replace(RULE, expert_share=0.0)

    found = escalation.decide_all([FUTILE, EXHAUSTED], alone, UNDER_WAY)

    assert [decision.action for decision in found] == [Action.WIDEN, Action.SETTLE]


def test_the_expert_sees_the_largest_errors_first() -> None:
    tasks = [replace(EXHAUSTED, confidence=confidence) for confidence in (0.8, 0.55, 0.7, 0.6)]
    progress = Progress(n_tasks=10, n_settled=6, n_escalated=0, n_outstanding=0)

    found = escalation.decide_all(tasks, RULE, progress)

    assert [decision.action for decision in found] == [
        Action.SETTLE,
        Action.ESCALATE,
        Action.SETTLE,
        Action.ESCALATE,
    ]


def test_experts_are_handed_out_in_step_with_the_tasks_the_crowd_is_through_with() -> None:
    early = Progress(n_tasks=100, n_settled=7, n_escalated=0, n_outstanding=50)

    assert escalation.expert_budget(RULE, early, n_wanting=3) == 2
    assert escalation.expert_budget(RULE, replace(early, n_outstanding=0), n_wanting=3) == 20


def test_a_budget_already_overspent_is_nothing_and_not_less() -> None:
    overspent = Progress(n_tasks=10, n_settled=0, n_escalated=5, n_outstanding=0)

    found = escalation.decide_all([EXHAUSTED, EXHAUSTED], RULE, overspent)

    assert [decision.action for decision in found] == [Action.SETTLE, Action.SETTLE]


@given(st.lists(standings(), max_size=8), progresses())
@settings(deadline=None)
def test_no_more_experts_are_asked_than_the_project_affords(tasks: list[Standing], progress: Progress) -> None:
    found = escalation.decide_all(tasks, RULE, progress)

    asked = sum(decision.action is Action.ESCALATE for decision in found)
    assert asked == 0 or progress.n_escalated + asked <= 0.2 * progress.n_tasks + 1


@given(standings(), progresses(), st.integers(0, 3))
@settings(deadline=None)
def test_a_task_never_gets_stuck_when_nothing_more_will_come(
    standing: Standing, progress: Progress, experts_left: int
) -> None:
    drained = replace(progress, n_outstanding=0)

    assert decide(standing, drained, experts_left=experts_left).action is not Action.WAIT


@given(standings(), progresses(), st.integers(0, 3))
@settings(deadline=None)
def test_no_task_is_widened_beyond_its_largest_overlap(
    standing: Standing, progress: Progress, experts_left: int
) -> None:
    decision = decide(standing, progress, experts_left=experts_left)

    assert decision.action is not Action.WIDEN or standing.n_answers < RULE.overlap_max


@given(standings(), progresses(), st.integers(0, 3))
@settings(deadline=None)
def test_only_a_task_below_its_target_is_flagged(standing: Standing, progress: Progress, experts_left: int) -> None:
    decision = decide(replace(standing, stake=0.0, contested=False), progress, experts_left=experts_left)

    if decision.action is Action.SETTLE:
        assert decision.flagged == (standing.confidence < RULE.confidence_min)
    else:
        assert not decision.flagged


# Spot checks


def test_a_drawn_task_goes_to_an_expert_however_sure() -> None:
    decision = decide(DRAWN)

    assert decision.action is Action.ESCALATE
    assert decision.reason.endswith("it is drawn for a spot check: an expert decides")


def test_a_drawn_task_goes_to_an_expert_however_unsure_and_before_its_voters_are_known() -> None:
    assert decide(replace(UNSURE, drawn=True)).action is Action.ESCALATE
    assert decide(replace(DRAWN, voter_votes=12)).action is Action.ESCALATE


def test_a_drawn_task_waits_for_its_expert_and_without_any_is_settled_like_any() -> None:
    assert decide(DRAWN, experts_left=0).action is Action.WAIT
    assert decide(DRAWN, DRAINED, experts_left=0) == decide(SURE, DRAINED, experts_left=0)


def test_a_drawn_task_gets_its_least_answers_first() -> None:
    assert decide(replace(DRAWN, n_answers=4)).action is Action.WIDEN


def test_spot_checks_get_an_expert_before_the_hardest_tasks() -> None:
    progress = Progress(n_tasks=10, n_settled=3, n_escalated=0, n_outstanding=5)
    hard = replace(FUTILE, confidence=0.51)

    decisions = escalation.decide_all([hard, DRAWN], replace(RULE, expert_share=0.2), progress)

    assert [one.action for one in decisions] == [Action.WAIT, Action.ESCALATE]


def _drawn(task_id: str, share: float, *, secret: bytes = b"ours", what_for: str = "spot check") -> bool:
    return escalation.is_drawn(secret, what_for, task_id, share)


def test_so_many_tasks_are_drawn_as_the_share_says_and_always_the_same() -> None:
    ids = [f"tsk_{number}" for number in range(20_000)]

    drawn = [task_id for task_id in ids if _drawn(task_id, 0.03)]

    assert 500 < len(drawn) < 700
    assert drawn == [task_id for task_id in ids if _drawn(task_id, 0.03)]
    assert set(drawn) < {task_id for task_id in ids if _drawn(task_id, 0.1)}
    assert not any(_drawn(task_id, 0.0) for task_id in ids)
    assert all(_drawn(task_id, 1.0) for task_id in ids)


@pytest.mark.parametrize("other", [{"secret": b"theirs"}, {"what_for": "second opinion"}])
def test_without_the_secret_nobody_can_tell_what_is_drawn_nor_from_one_draw_another(other: Any) -> None:
    ids = [f"tsk_{number}" for number in range(4000)]

    both = [task_id for task_id in ids if _drawn(task_id, 0.5) and _drawn(task_id, 0.5, **other)]

    assert 900 < len(both) < 1100


# What a wrong label costs


def test_a_sure_task_is_asked_on_while_an_answer_saves_more_than_its_price() -> None:
    precious = replace(SURE, confidence=0.95, gain=0.003, stake=400)

    decision = decide(precious)

    assert decision == Decision(
        Action.WIDEN,
        "confidence 0.95 after 6 answers reached the target 0.90, but a wrong label costs 400 answers; "
        "one more answer is expected to lower the error by 0.003",
    )
    assert decide(replace(precious, stake=300)).action is Action.SETTLE


def test_a_sure_task_goes_to_an_expert_who_saves_more_than_their_price() -> None:
    precious = replace(SURE, confidence=0.95, gain=0.0001, stake=700)

    decision = decide(precious)

    assert decision.action is Action.ESCALATE
    assert decision.reason == (
        "confidence 0.95 after 6 answers reached the target 0.90, but a wrong label costs 700 answers "
        "and another answer costs more than it helps: an expert decides"
    )
    assert decide(replace(precious, stake=500)).action is Action.SETTLE


@given(st.floats(0.0, 1.0), st.floats(0.0, 0.1), st.floats(1.0, 2000.0))
@settings(deadline=None)
def test_above_the_target_something_is_bought_just_where_it_saves_more_than_it_costs(
    share: float, error: float, stake: float
) -> None:
    standing = replace(SURE, confidence=1 - error, gain=share * error, stake=stake)

    found = decide(standing).action

    pays = standing.gain * stake > 1, standing.error * stake > RULE.expert_price
    assert (found is Action.SETTLE) == (not any(pays))
    assert found is not Action.ESCALATE or pays[1]
    assert found is not Action.WIDEN or pays[0]


def test_a_task_below_its_target_goes_on_however_little_a_wrong_label_costs() -> None:
    assert decide(replace(UNSURE, stake=0.1)).action is Action.WIDEN


def test_the_expert_sees_the_largest_expected_loss_first() -> None:
    cheap, dear = replace(EXHAUSTED, confidence=0.5, stake=10), replace(EXHAUSTED, confidence=0.8, stake=100)

    found = escalation.decide_all([cheap, dear], RULE, Progress(n_tasks=5, n_settled=3, n_escalated=0, n_outstanding=0))

    assert [decision.action for decision in found] == [Action.SETTLE, Action.ESCALATE]


def test_a_sure_task_settled_without_the_expert_it_was_worth_is_flagged() -> None:
    precious = replace(SURE, confidence=0.95, stake=700)

    decision = decide(precious, DRAINED, experts_left=0)

    assert decision.action is Action.SETTLE
    assert decision.flagged


# Where none is free


def alone(fallback: Fallback, standing: Standing, progress: Progress) -> Decision:
    return escalation.decide(standing, replace(RULE, without_expert=fallback), progress, experts_left=0)


NONE_TODAY = replace(UNDER_WAY, experts_left=0)


def test_experts_get_no_more_tasks_than_they_can_take_today() -> None:
    tasks = [replace(EXHAUSTED, confidence=confidence) for confidence in (0.8, 0.55, 0.7)]

    found = escalation.decide_all(tasks, RULE, replace(DRAINED, experts_left=2))

    assert [decision.action for decision in found] == [Action.SETTLE, Action.ESCALATE, Action.ESCALATE]


@pytest.mark.parametrize(
    ("fallback", "action"),
    [(Fallback.WIDEN, Action.WIDEN), (Fallback.PARK, Action.WAIT), (Fallback.SETTLE, Action.SETTLE)],
)
@pytest.mark.parametrize("progress", [NONE_TODAY, DRAINED])
def test_without_an_expert_a_task_is_asked_on_parked_or_settled_as_the_project_says(
    fallback: Fallback, action: Action, progress: Progress
) -> None:
    decision = alone(fallback, FUTILE, progress)

    assert decision.action is action
    assert decision.flagged == (action is Action.SETTLE)


def test_a_parked_task_says_that_it_waits_for_an_expert() -> None:
    assert alone(Fallback.PARK, FUTILE, DRAINED).reason.endswith("it waits for an expert, of whom none is free")


def test_while_experts_are_left_today_a_task_waits_for_its_turn_whatever_the_fallback() -> None:
    for fallback in Fallback:
        decision = alone(fallback, EXHAUSTED, replace(UNDER_WAY, experts_left=5))

        assert decision == Decision(
            Action.WAIT,
            "confidence 0.70 after 12 answers is below the target 0.90; other tasks need the experts more",
        )


def test_no_task_is_parked_for_an_expert_who_can_never_come() -> None:
    used_up = replace(DRAINED, n_escalated=20, experts_left=0)

    assert alone(Fallback.PARK, FUTILE, used_up).action is Action.WIDEN
    assert alone(Fallback.PARK, EXHAUSTED, used_up).action is Action.SETTLE


# Suspected to err together


def test_a_contested_task_goes_to_an_expert_ahead_of_all_others() -> None:
    contested = replace(SURE, contested=True)
    progress = Progress(n_tasks=10, n_settled=2, n_escalated=0, n_outstanding=5)

    found = escalation.decide_all([EXHAUSTED, DRAWN, contested], RULE, progress)

    assert [decision.action for decision in found] == [Action.WAIT, Action.WAIT, Action.ESCALATE]
    assert found[2].reason == "confidence 0.97 after 6 answers; its voters may err together: an expert decides"


def test_a_contested_task_waits_for_an_expert_and_is_flagged_if_none_comes() -> None:
    contested = replace(SURE, contested=True)

    assert decide(contested, experts_left=0).action is Action.WAIT
    decision = decide(contested, DRAINED, experts_left=0)
    assert decision.action is Action.SETTLE
    assert decision.flagged


# A target on average

MEAN = replace(RULE, basis=Basis.MEAN, expert_share=1.0)


FRESH = Progress(n_tasks=10, n_settled=0, n_escalated=0, n_outstanding=0)


def of_ten(*confidences: float, progress: Progress = FRESH) -> list[Decision]:
    """What is decided on tasks that nobody can be asked about any more."""
    return escalation.decide_all([replace(EXHAUSTED, confidence=one) for one in confidences], MEAN, progress)


def test_less_sure_labels_are_settled_where_surer_ones_make_up_for_them() -> None:
    found = of_ten(0.97, 0.85)

    assert [decision.action for decision in found] == [Action.SETTLE, Action.SETTLE]
    assert found[1].reason == "confidence 0.85 after 12 answers: with it the project reaches 0.90 on average"
    assert not found[1].flagged


def test_experts_get_the_largest_errors_until_the_average_is_reached() -> None:
    found = of_ten(0.97, 0.85, 0.6, 0.8)

    actions = [decision.action for decision in found]
    assert actions == [Action.SETTLE, Action.WAIT, Action.ESCALATE, Action.WAIT]
    assert found[1].reason.endswith("it may do if other tasks become sure enough")


def test_what_was_settled_before_counts_towards_the_average() -> None:
    surer = Progress(n_tasks=10, n_settled=8, n_escalated=0, n_outstanding=0, error_settled=0.1)
    as_it_should_be = replace(surer, error_settled=0.8)

    assert of_ten(0.6, progress=surer)[0].action is Action.SETTLE
    assert of_ten(0.6, progress=as_it_should_be)[0].action is Action.ESCALATE


def test_while_answers_are_to_come_nothing_is_settled_for_the_sake_of_the_average() -> None:
    assert of_ten(0.85, 0.97, progress=replace(FRESH, n_outstanding=3))[0].action is Action.WAIT


def test_a_label_near_the_target_costs_no_more_answers() -> None:
    near, far = replace(UNSURE, confidence=0.82), replace(UNSURE, confidence=0.78)

    assert escalation.decide(far, MEAN, UNDER_WAY, experts_left=1).action is Action.WIDEN
    decision = escalation.decide(near, MEAN, UNDER_WAY, experts_left=1)
    assert decision.action is Action.ESCALATE
    assert "near enough to ask the crowd no more" in decision.reason


@pytest.mark.parametrize("bound", [{"drawn": True}, {"contested": True}, {"stake": 1000.0}])
def test_no_average_makes_up_for_what_an_expert_should_see_in_any_case(bound: dict[str, Any]) -> None:
    seen_anyway = replace(EXHAUSTED, confidence=0.89, **bound)

    found = escalation.decide_all([replace(SURE, confidence=1.0), seen_anyway], MEAN, DRAINED)

    assert found[1].action is Action.ESCALATE


@given(st.lists(standings(), max_size=8), progresses())
@settings(deadline=None)
def test_the_crowd_settles_no_more_error_than_the_target_allows_on_average(
    tasks: list[Standing], progress: Progress
) -> None:
    found = escalation.decide_all(tasks, MEAN, replace(progress, n_outstanding=0))

    settled = [task for task, decision in zip(tasks, found, strict=True) if decision.action is Action.SETTLE]
    n_asked = sum(decision.action is Action.ESCALATE for decision in found)
    n_through = progress.n_settled + progress.n_escalated + len(settled) + n_asked
    assert sum(task.error for task in settled) <= 0.1 * n_through + 1e-9


@given(st.lists(standings(), max_size=8), progresses(), st.sampled_from([0.0, 0.3, 1.0]))
@settings(deadline=None)
def test_with_a_target_on_average_nothing_waits_when_nothing_more_will_come(
    tasks: list[Standing], progress: Progress, share: float
) -> None:
    drained = replace(progress, n_outstanding=0)

    found = {decision.action for decision in escalation.decide_all(tasks, replace(MEAN, expert_share=share), drained)}

    assert Action.WAIT not in found or found & {Action.WIDEN, Action.ESCALATE}
