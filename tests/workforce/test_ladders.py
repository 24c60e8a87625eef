"""Ladders: who moves by what is known of them, and that chance moves nobody to and fro."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from benchmarks import tiers as simulation
from quality.checking import Shown
from workforce import ladders
from workforce.ladders import DEFAULT, NOTHING, Place, Standing
from workforce.models import Cause

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)


def _standing(low: float, high: float, *, n: int = 100, recent: float = 1.0, **more: Any) -> Standing:
    shown = Shown(n=n, n_right=n // 2, low=low, high=high, n_recent=n, n_recent_right=n // 2, high_recent=recent)
    return Standing(n, shown, **more)


def _at(tier: int, moved_at: datetime | None = LONG_AGO, seen: int = 0) -> Place:
    return Place(tier, moved_at, seen)


def _decided(place: Place, standing: Standing) -> tuple[int, Cause] | None:
    move = ladders.decide(DEFAULT, place, standing, NOW)
    return None if move is None else (move.to, move.cause)


# Up


def test_the_lower_bound_takes_somebody_up_and_the_share_right_does_not() -> None:
    assert _decided(_at(1), _standing(0.70, 0.95)) == (2, Cause.PROMOTION)
    assert _decided(_at(1), _standing(0.699, 0.999)) is None


def test_everybody_goes_up_one_step_at_a_time() -> None:
    assert _decided(_at(1), _standing(0.97, 1.0, n=500)) == (2, Cause.PROMOTION)


def test_nobody_goes_up_without_new_evidence_since_the_last_move() -> None:
    assert _decided(_at(2, seen=61), _standing(0.9, 1.0)) is None
    assert _decided(_at(2, seen=60), _standing(0.9, 1.0)) == (3, Cause.PROMOTION)


def test_a_cool_down_is_waited_for_and_told() -> None:
    recently = _at(2, NOW - timedelta(days=6, hours=23))

    assert _decided(recently, _standing(0.9, 1.0)) is None
    assert ladders.due_at(DEFAULT, recently, _standing(0.9, 1.0)) == NOW + timedelta(hours=1)
    assert _decided(_at(2, NOW - timedelta(days=7)), _standing(0.9, 1.0)) == (3, Cause.PROMOTION)


def test_whoever_was_never_moved_waits_for_no_cool_down() -> None:
    assert _decided(_at(1, None), _standing(0.9, 1.0)) == (2, Cause.PROMOTION)


def test_nobody_goes_up_whose_last_answers_would_take_them_down_again() -> None:
    assert _decided(_at(2), _standing(0.85, 0.95, recent=0.74)) is None


def test_the_highest_step_leads_nowhere_and_one_that_nothing_reaches_is_given_by_hand() -> None:
    by_hand = replace(DEFAULT, steps=(*DEFAULT.steps[:4], replace(DEFAULT.steps[4], reach=None)))

    assert _decided(_at(4), _standing(0.99, 1.0, worked_at=NOW)) is None
    assert ladders.decide(by_hand, _at(3), _standing(0.99, 1.0, worked_at=NOW), NOW) is None


# Down


def test_only_the_upper_bound_takes_somebody_down() -> None:
    assert _decided(_at(3), _standing(0.2, 0.75)) is None
    assert _decided(_at(3), _standing(0.7, 0.749)) == (2, Cause.DEMOTION)


def test_the_last_answers_by_themselves_take_somebody_down() -> None:
    assert _decided(_at(3), _standing(0.8, 0.95, recent=0.7)) == (2, Cause.DEMOTION)


def test_whoever_keeps_no_rule_on_the_way_goes_down_to_the_lowest_step_at_once() -> None:
    assert _decided(_at(4), _standing(0.1, 0.5, worked_at=NOW)) == (0, Cause.DEMOTION)


def test_a_cool_down_keeps_nobody_from_going_down() -> None:
    assert _decided(_at(1, NOW), _standing(0.0, 0.64)) == (0, Cause.DEMOTION)


def test_there_is_nothing_below_the_lowest_step() -> None:
    assert _decided(_at(0), _standing(0.0, 0.01)) is None


# Time


def test_without_work_somebody_goes_one_step_down_and_not_below_the_first() -> None:
    idle = _at(4, NOW - timedelta(days=180))

    assert _decided(idle, NOTHING) == (3, Cause.DECAY)
    assert _decided(replace(idle, tier=1), NOTHING) is None


def test_work_puts_the_decay_off() -> None:
    idle, worked = _at(3, NOW - timedelta(days=400)), NOW - timedelta(days=179)

    assert _decided(idle, replace(NOTHING, worked_at=worked)) is None
    assert ladders.due_at(DEFAULT, idle, replace(NOTHING, worked_at=worked)) == NOW + timedelta(days=1)


def test_where_no_time_can_move_anybody_nothing_is_due() -> None:
    assert ladders.due_at(DEFAULT, _at(1), NOTHING) is None


# Whoever it is


@given(st.integers(0, 4), st.tuples(*[st.floats(0, 1)] * 3), st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_whoever_has_just_moved_does_not_move_again_by_the_same_evidence(
    tier: int, shares: tuple[float, float, float], n: int, days: int
) -> None:
    standing = _standing(min(shares[:2]), max(shares[:2]), n=n, recent=shares[2], worked_at=NOW)
    move = ladders.decide(DEFAULT, _at(tier, NOW - timedelta(days=days)), standing, NOW)
    if move is None:
        return

    # A demotion begins the record anew.
    after = Standing(n, NOTHING.shown, NOW) if move.cause == Cause.DEMOTION else standing
    assert abs(move.to - tier) == 1 or move.cause == Cause.DEMOTION
    assert ladders.decide(DEFAULT, Place(move.to, NOW, n), after, NOW) is None


BY = "by version 1 of the ladder of all skills."
ABOVE = "the share of right answers is above 0.712, and regular asks for 0.70 or more"
BELOW = "the share of right answers is below 0.600, and novice asks that it may be 0.65 or more"


@pytest.mark.parametrize(
    ("standing", "place", "told"),
    [
        (
            _standing(0.7123, 0.9),
            _at(1),
            f"Of 100 checked answers 50 were right: {ABOVE} {BY}",
        ),
        (_standing(0.3, 0.6), _at(1), f"Of 100 checked answers 50 were right: {BELOW} {BY}"),
        (_standing(0.3, 0.9, recent=0.6), _at(1), f"Of the last 100 checked answers 50 were right: {BELOW} {BY}"),
        (NOTHING, _at(3, NOW - timedelta(days=180)), f"No work in this skill for 180 days: senior lapses {BY}"),
    ],
    ids=["up", "down", "lately", "idle"],
)
def test_a_move_says_why_in_a_sentence(standing: Standing, place: Place, told: str) -> None:
    move = ladders.decide(DEFAULT, place, standing, NOW)

    assert move is not None
    assert move.why == told


# Simulated workers, by the house's own rule (benchmarks/tiers.py has all of it)


def test_workers_who_are_right_on_four_of_five_are_not_demoted_by_chance() -> None:
    rng, known = np.random.default_rng(8), simulation.bounds(100)

    lives = [simulation.life(DEFAULT, known, rng.random(100) < 0.8) for _ in range(1000)]

    demoted = [any(one.move.cause == Cause.DEMOTION for one in moved) for moved in lives]
    assert np.mean(demoted) <= 0.01


def test_a_clicker_is_stopped_after_twelve_golds_in_the_median() -> None:
    rng, known = np.random.default_rng(8), simulation.bounds(100)

    stops = [simulation.stopped_at(simulation.life(DEFAULT, known, rng.random(100) < 0.25)) for _ in range(300)]

    assert np.median(stops) <= 12


@pytest.mark.parametrize("share", [0.65, 0.75, 0.82])
def test_nobody_goes_to_and_fro_even_at_a_threshold(share: float) -> None:
    rng, known = np.random.default_rng(8), simulation.bounds(500)

    flaps = [simulation.flaps(simulation.life(DEFAULT, known, rng.random(500) < share, days=146)) for _ in range(60)]

    assert np.mean(flaps) / 0.4 <= 0.1


# As data


def test_the_house_begins_with_one_ladder_for_all_skills(db: Session) -> None:
    assert ladders.in_force(db, "lang.sw") == DEFAULT


def test_a_skill_goes_by_its_own_ladder_or_by_that_of_what_it_is_a_kind_of(db: Session) -> None:
    _enter(db, "image", version=1)
    _enter(db, "image.boxes", version=1)
    _enter(db, "image.boxes", version=2)
    _enter(db, "image.boxes", version=3, confirmed=False)

    found = {skill: ladders.in_force(db, skill) for skill in ("image", "image.masks.cars", "image.boxes", "images")}

    assert {skill: (rule.skill, rule.version) for skill, rule in found.items()} == {
        "image": ("image", 1),
        "image.masks.cars": ("image", 1),
        "image.boxes": ("image.boxes", 2),
        "images": ("ALL", 1),
    }


def _enter(db: Session, skill: str, *, version: int, confirmed: bool = True) -> None:
    rule = {"id": f"lad_{skill}_{version}", "skill": skill, "version": version}
    rule |= {"by": "bob", "at": NOW} if confirmed else {"by": None, "at": None}
    db.execute(
        text("""INSERT INTO ladder_rules (id, skill, version, reason, proposed_by, confirmed_by, confirmed_at)
                VALUES (:id, :skill, :version, 'test', 'ada', :by, :at)"""),
        rule,
    )
    db.execute(
        text("""INSERT INTO ladder_steps SELECT :id, tier, name, evidence, reach, keep, cool_down_days, decay_days
                  FROM ladder_steps WHERE rule_id = 'lad_00000000000000000000000000'"""),
        {"id": rule["id"]},
    )


@pytest.mark.parametrize(
    ("constraint", "step"),
    [
        ("shares_range", {"keep": 0.8, "reach": 0.7}),
        ("shares_range", {"reach": 1.1}),
        ("evidence_range", {"evidence": 0}),
        ("days_range", {"decay_days": 0}),
        ("days_range", {"cool_down_days": -1}),
        ("lowest_asks_nothing", {"tier": 0}),
        ("starting_stays", {"tier": 1, "decay_days": 9}),
        ("tier_range", {"tier": 5}),
    ],
)
def test_the_tables_refuse_a_step_that_cannot_be(db: Session, constraint: str, step: dict[str, Any]) -> None:
    db.execute(
        text("""INSERT INTO ladder_rules (id, skill, version, reason, proposed_by)
                VALUES ('lad_x', 'image', 1, 'test', 'ada')""")
    )
    given = {"tier": 2, "evidence": 9, "reach": 0.8, "keep": 0.7, "cool_down_days": 0, "decay_days": None, **step}

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        db.execute(
            text("""INSERT INTO ladder_steps (rule_id, tier, name, evidence, reach, keep, cool_down_days, decay_days)
                    VALUES ('lad_x', :tier, 'x', :evidence, :reach, :keep, :cool_down_days, :decay_days)"""),
            given,
        )
