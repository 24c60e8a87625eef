"""Inquiries: a crowd in which some cheat is looked at as its votes come in, and whom it speaks against is proposed."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks import attacks
from benchmarks.attacks import Scene, World
from foundation import clock
from foundation import db as database
from quality import consensus, inquiry, quarantine, reliability
from quality.methods.votes import UNKNOWN
from quality.models import VoterTest
from tests.conftest import Urls, age

PROJECT = "prj_birds"
COLLUDERS = Scene("colluders", 0.2, n_workers=100, n_tasks=1000)
HONEST = Scene(n_workers=100, n_tasks=1000)
_CAST = text("""
    INSERT INTO votes (project_id, task_id, voter_id, label, too_fast, created_at)
    SELECT CAST(:project_id AS text), t, v, l, v = ANY(CAST(:fast AS text[])),
           CAST(:begin AS timestamptz) + n * CAST(:apart AS interval)
      FROM unnest(CAST(:tasks AS text[]), CAST(:voters AS text[]), CAST(:labels AS int[])) WITH ORDINALITY
           AS given(t, v, l, n)
""")
_DRAWN = text("""
    INSERT INTO known_labels (project_id, task_id, label, voter_id, is_sample)
    SELECT CAST(:project_id AS text), *, 'wrk_expert', true FROM unnest(CAST(:tasks AS text[]), CAST(:labels AS int[]))
""")


def _task(code: int) -> str:
    return f"t{code:05}"


def _voter(code: int) -> str:
    return f"w{code:03}"


def _hostile(world: World) -> set[str]:
    return {_voter(code) for code in np.flatnonzero(world.hostile).tolist()}


def _cast(
    db: Session,
    world: World,
    *,
    first: int = 0,
    last: int | None = None,
    begin: datetime | None = None,
    votes_apart: str = "8 seconds",
    fast: Iterable[str] = (),
) -> None:
    """Some of a world's votes, with what spot checks tell of their tasks, and a fit. fast : who answers too fast."""
    votes = world.votes
    codes = votes.tasks[first:last]
    db.execute(
        _CAST,
        {
            "project_id": PROJECT,
            "apart": votes_apart,
            "fast": list(fast),
            "begin": begin or clock.now(db) - timedelta(days=1) + timedelta(seconds=8 * first),
            "tasks": [_task(code) for code in codes],
            "voters": [_voter(code) for code in votes.voters[first:last]],
            "labels": votes.labels[first:last].tolist(),
        },
    )
    _check(db, world, np.setdiff1d(codes, votes.tasks[:first]).tolist())
    reliability.refit(db, PROJECT, n_classes=votes.n_classes)


def _check(db: Session, world: World, tasks: Iterable[int]) -> None:
    """What spot checks tell of tasks."""
    told = [code for code in tasks if world.known[code] != UNKNOWN]
    drawn = {"tasks": [_task(code) for code in told], "labels": world.known[told].tolist()}
    db.execute(_DRAWN, {"project_id": PROJECT, **drawn})


def _proposed(db: Session) -> set[str]:
    return set(db.scalars(text("SELECT voter_id FROM quarantines WHERE status = 'proposed'")))


def _told(db: Session) -> list[str]:
    told = text("""
        SELECT q.voter_id FROM outbox_events e JOIN quarantines q ON q.id = e.payload ->> 'quarantine_id'
         WHERE e.topic = 'EvidenceRaised'
    """)
    return list(db.scalars(told))


def _n_tested(db: Session) -> int:
    return int(db.execute(text("SELECT coalesce(sum(n_tested), 0) FROM voter_tests")).scalar_one())


def _dismiss(db: Session, voter_ids: Iterable[str]) -> None:
    for voter_id in voter_ids:
        (one,) = db.scalars(quarantine.listed(status="proposed", voter_id=voter_id)).all()
        quarantine.dismiss(db, one.id, reason="They sit side by side.", decided_by="ops")


@pytest.mark.parametrize(
    ("attack", "kind"), [("colluders", "cluster"), ("copy-bots", "cluster"), ("random", "clicking")]
)
def test_those_who_cheat_are_proposed_and_told_of(db: Session, attack: str, kind: str) -> None:
    world = attacks.draw(Scene(attack, 0.2, n_workers=100, n_tasks=1000), 3)
    _cast(db, world)

    assert inquiry.look(db) == 1

    cheats = _hostile(world)
    accused = set(db.scalars(text("SELECT voter_id FROM accusations a JOIN evidence e ON e.id = a.evidence_id "
                                  "WHERE kind = :kind"), {"kind": kind}))  # fmt: skip
    assert _proposed(db) == set(_told(db)) == accused == cheats
    assert len(_told(db)) == len(cheats)


def _kinds(db: Session) -> dict[str, set[str]]:
    rows = db.execute(text("SELECT e.kind, array_agg(a.voter_id) AS who FROM evidence e "
                           "JOIN accusations a ON a.evidence_id = e.id GROUP BY e.kind"))  # fmt: skip
    return {row.kind: set(row.who) for row in rows}


def test_who_answers_before_a_task_can_be_read_is_proposed(db: Session) -> None:
    _cast(db, attacks.draw(HONEST, 1), fast=["w007"])

    assert inquiry.look(db) == 1

    assert _kinds(db)["too_fast"] == {"w007"}
    assert "w007" in _proposed(db)


def _copying(world: World, copier: int, source: int) -> World:
    """The same people, but one has answered what another answered, as that one did."""
    votes = world.votes
    theirs = votes.only(np.flatnonzero(votes.voters == source))
    others = votes.only(np.flatnonzero((votes.voters != copier) & (votes.voters != source)))
    return replace(
        world,
        votes=replace(
            votes,
            tasks=np.concatenate((others.tasks, theirs.tasks, theirs.tasks)),
            voters=np.concatenate((others.voters, theirs.voters, np.full(theirs.size, copier))),
            labels=np.concatenate((others.labels, theirs.labels, theirs.labels)),
        ),
    )


def test_two_who_give_the_same_wrong_answers_are_proposed(db: Session) -> None:
    _cast(db, _copying(attacks.draw(HONEST, 2), 11, 12))

    assert inquiry.look(db) == 1

    tied = _kinds(db)
    assert tied.get("copying", tied.get("cluster")) == {_voter(11), _voter(12)}


def test_honest_people_are_hardly_ever_proposed(db: Session) -> None:
    for seed in range(4):
        _cast(db, attacks.draw(HONEST, seed))
        assert inquiry.look(db) == 1
        n_proposed = len(_proposed(db))
        db.rollback()

        # One in a hundred at most; a seed may be unlucky.
        assert n_proposed <= 1


@pytest.mark.parametrize("attack", ["colluders", "random"])
def test_those_who_cheat_are_proposed_after_few_answers(db: Session, attack: str) -> None:
    world = attacks.draw(replace(COLLUDERS, attack=attack), 3)
    found: dict[str, int] = {}
    for first in range(0, 3000, 250):
        _cast(db, world, first=first, last=first + 250)
        inquiry.look(db)
        n_answers = np.bincount(world.votes.voters[: first + 250], minlength=100)
        found |= {voter: int(n_answers[int(voter[1:])]) for voter in _proposed(db) - found.keys()}

    # One task in ten was drawn for a spot check.
    assert np.median([found.get(voter, 1000) for voter in _hostile(world)]) <= 25
    assert len(found.keys() - _hostile(world)) <= 1


def test_a_crowd_without_an_enemy_is_looked_at_in_parts_and_left_alone(db: Session) -> None:
    world = attacks.draw(HONEST, 0)
    for first in range(0, world.votes.size, 1250):
        _cast(db, world, first=first, last=first + 1250)
        assert inquiry.look(db) == 1

    assert (_proposed(db), _told(db)) == (set(), [])


def test_every_vote_is_tested_once_however_often_somebody_looks(db: Session) -> None:
    world = attacks.draw(HONEST, 0)
    tested = []
    for first in (0, 2500):
        _cast(db, world, first=first, last=first + 2500)
        inquiry.look(db)
        inquiry.inquire(db, PROJECT, n_classes=4, n_votes=first + 2500)
        tested.append(_n_tested(db))

    assert tested == [2500, 5000]


@pytest.mark.parametrize(("score", "accused"), [(0.0, set()), (5.29, {"w001"})])
def test_the_test_of_a_voter_goes_on_where_it_stood(db: Session, score: float, accused: set[str]) -> None:
    world = attacks.draw(HONEST, 0)
    votes = world.votes
    first = np.flatnonzero(votes.voters == 1)[0]
    votes.labels[first] = (world.truth[votes.tasks[first]] + 1) % 4
    _cast(db, world, last=400)
    db.add(VoterTest(project_id=PROJECT, voter_id="w001", score=score, n_tested=70, cleared=False))
    db.flush()

    inquiry.look(db)

    assert _proposed(db) == accused


@pytest.mark.parametrize(("minutes", "tested"), [(50, 0), (80, 150), (110, 300)])
def test_a_vote_waits_for_the_others_of_its_task_but_not_for_long(db: Session, minutes: int, tested: int) -> None:
    _cast(db, attacks.draw(HONEST, 0), last=300, begin=clock.now(db) - timedelta(minutes=minutes, seconds=4))

    inquiry.look(db)

    assert _n_tested(db) == tested


def test_a_vote_whose_task_is_decided_does_not_wait(db: Session) -> None:
    _cast(db, attacks.draw(HONEST, 0), last=300, begin=clock.now(db) - timedelta(minutes=50))
    columns = "project_id, task_id, label, confidence, posterior, n_votes, decision, reason"
    decided = "SELECT DISTINCT project_id, task_id, 0, 1, ARRAY[1.0], 5, 'settle', '' FROM votes"
    db.execute(text(f"INSERT INTO consensus ({columns}) {decided}"))

    inquiry.look(db)

    assert _n_tested(db) == 300


def test_nothing_is_looked_at_before_enough_is_new(db: Session) -> None:
    world = attacks.draw(HONEST, 0)
    _cast(db, world, last=inquiry.LEAST - 1)
    too_few = inquiry.look(db)
    _cast(db, world, first=inquiry.LEAST - 1, last=inquiry.LEAST)
    enough = inquiry.look(db)
    _cast(db, world, first=inquiry.LEAST, last=inquiry.LEAST + 24)
    not_yet = inquiry.look(db)
    age(db, "inquiries", "looked_at", 86_401)
    a_day_later = inquiry.look(db)

    assert (too_few, enough, not_yet, a_day_later, inquiry.look(db)) == (0, 1, 0, 1, 0)


def test_who_is_proposed_is_not_proposed_again(db: Session) -> None:
    world = attacks.draw(COLLUDERS, 3)
    for first in (0, 2500):
        _cast(db, world, first=first, last=first + 2500)
        inquiry.look(db)

    assert sorted(_told(db)) == sorted(set(_told(db)))
    assert _proposed(db) == _hostile(world)


def test_what_was_dismissed_is_not_proposed_again_on_the_same_answers(db: Session) -> None:
    world = attacks.draw(COLLUDERS, 3)
    _cast(db, world)
    inquiry.look(db)

    _dismiss(db, _proposed(db))
    inquiry.inquire(db, PROJECT, n_classes=4, n_votes=5000)

    assert _proposed(db) == set()
    assert len(_told(db)) == len(_hostile(world))


def test_new_answers_after_a_dismissal_can_be_evidence_again(db: Session) -> None:
    world = attacks.draw(COLLUDERS, 3)
    _cast(db, world, last=2500)
    inquiry.look(db)
    _dismiss(db, _proposed(db))
    # The decision was made before the other half was cast.
    age(db, "quarantines", "decided_at", 86_400 - 8 * 2500 - 4)
    age(db, "voter_tests", "updated_at", 86_400 - 8 * 2500 - 4)

    _cast(db, world, first=2500)
    inquiry.look(db)

    assert len(_proposed(db) & _hostile(world)) >= 15


def _doubtful() -> tuple[World, World]:
    """A crowd of which nearly half collude, without a spot check and with some."""
    world = attacks.draw(Scene("colluders", 0.45, n_workers=100, n_tasks=1000), 3)
    return replace(world, known=np.full_like(world.known, UNKNOWN)), world


def test_a_crowd_that_may_itself_be_wrong_is_no_witness(db: Session) -> None:
    world, _ = _doubtful()
    _cast(db, world)

    inquiry.look(db)

    doubted = inquiry.contested(db, PROJECT)
    assert len(doubted) > 20
    assert doubted <= _hostile(world)
    assert (_proposed(db), _n_tested(db)) == (set(), 0)


def test_tasks_on_which_a_doubted_group_differs_are_contested(db: Session) -> None:
    world, _ = _doubtful()
    _cast(db, world)
    inquiry.look(db)

    weighed = consensus.weigh(db, PROJECT, [_task(code) for code in range(200)], n_classes=4)

    n_contested = sum(one.standing.contested for one in weighed)
    assert 100 < n_contested < 200


def test_spot_checks_tell_who_errs_and_nothing_is_contested_any_more(db: Session) -> None:
    without, world = _doubtful()
    _cast(db, without)
    inquiry.look(db)
    doubts = text("SELECT payload FROM outbox_events WHERE topic = 'WeightsChanged'")
    before = db.scalars(doubts).all()

    _check(db, world, range(1000))
    inquiry.inquire(db, PROJECT, n_classes=4, n_votes=5000)

    assert inquiry.contested(db, PROJECT) == set()
    assert _proposed(db) <= _hostile(world)
    assert len(_proposed(db)) > 40
    assert (before, db.scalars(doubts).all()) == ([{"project_id": PROJECT}], [{"project_id": PROJECT}] * 2)


def _in_step(db: Session, world: World, *, votes_apart: str) -> None:
    """An honest crowd, its votes so far apart, and an account that answers other tasks a second after w001 does."""
    _cast(db, world, votes_apart=votes_apart)
    twin = text("""
        INSERT INTO votes (project_id, task_id, voter_id, label, created_at)
        SELECT project_id, 'u' || task_id, 'w100', label, created_at + interval '1 second'
          FROM votes WHERE voter_id = 'w001'
    """)
    db.execute(twin)


def test_two_accounts_that_keep_in_step_are_proposed_together(db: Session) -> None:
    _in_step(db, attacks.draw(HONEST, 0), votes_apart="8 seconds")

    inquiry.look(db)

    (found,) = db.execute(text("SELECT id, kind FROM evidence")).all()
    assert found.kind == "lockstep"
    assert _proposed(db) == {"w001", "w100"}


def test_nobody_keeps_in_step_where_all_votes_come_at_once(db: Session) -> None:
    _in_step(db, attacks.draw(HONEST, 0), votes_apart="0 seconds")

    inquiry.look(db)

    assert _proposed(db) == set()


def test_wrong_labels_in_a_pattern_are_evidence(db: Session) -> None:
    world = attacks.draw(HONEST, 0)
    clicked = np.flatnonzero(world.votes.voters == 1)
    world.votes.labels[clicked] = np.arange(clicked.size) % 4
    _cast(db, world)

    inquiry.look(db)

    kinds = text("SELECT kind FROM evidence e JOIN accusations a ON a.evidence_id = e.id WHERE voter_id = 'w001'")
    assert set(db.scalars(kinds)) == {"clicking", "pattern"}


def test_two_sweeps_at_once_look_once(new_database: Callable[[], Urls]) -> None:
    engine = database.make_engine(new_database().app)
    sessions = database.sessions(engine)
    with sessions() as one, sessions() as other:
        _cast(one, attacks.draw(COLLUDERS, 3), last=2500)
        one.commit()

        first = inquiry.look(one)
        meanwhile = inquiry.look(other)
        one.commit()
        afterwards = inquiry.look(other)

        assert (first, meanwhile, afterwards) == (1, 0, 0)
        assert sorted(_told(one)) == sorted(_proposed(one)) == sorted(set(_told(one)))
    engine.dispose()


def test_the_newest_tasks_are_looked_at_where_there_are_too_many(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "VOTES_MAX", 1000)
    _cast(db, attacks.draw(HONEST, 0))

    inquiry.look(db)

    assert 900 <= _n_tested(db) <= 1000
