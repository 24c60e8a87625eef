"""Bulk moves in the background: each line is done once or says why not, whatever dies or happens in between."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.jobs import run_steps
from tests import factories
from tests.conftest import House, Urls, age, held_up
from tests.workforce.test_bulk_moves import SKILL, approve, line, lines, propose
from workforce import bulk_moves, bulk_steps, checks, linked, overrides, places, tiers
from workforce.bulk_moves import BulkMoveDecided
from workforce.events import TierMoved
from workforce.models import BulkMove, TierOverride, Worker, WorkerStatus
from workforce.overrides import OverrideOpen

DAY = 86_400


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three people fill two steps."""
    monkeypatch.setattr(bulk_steps, "_AT_ONCE", 2)


def _crowd(db: Session, n: int = 3) -> list[Worker]:
    return [factories.create_worker(db) for _ in range(n)]


def _approved(db: Session, workers: list[Worker], tier: int = 3, **said: Any) -> BulkMove:
    return approve(db, propose(db, *(line(one, tier) for one in workers), **said))


def _applied(db: Session, workers: list[Worker], **said: Any) -> BulkMove:
    made = _approved(db, workers, **said)
    run_steps(db, bulk_steps.go_on(db))
    return made


def _undone(db: Session, made: BulkMove) -> BulkMove:
    bulk_moves.undo(db, made.id, reason="The wrong file.", undone_by="ada")
    run_steps(db, bulk_steps.go_on(db))
    return bulk_moves.find(db, made.id)


def _tiers(db: Session, workers: list[Worker]) -> list[int]:
    return [next((place.tier for place in places.of_worker(db, worker.id)), 1) for worker in workers]


def _moves(db: Session, worker: Worker) -> list[tuple[int, int, str]]:
    rows = text("SELECT tier_from, tier_to, cause FROM tier_moves WHERE worker_id = :id ORDER BY id")
    return [tuple(row) for row in db.execute(rows, {"id": worker.id})]


def _fates(db: Session, made: BulkMove) -> list[str]:
    return [one.fate for one in lines(db, made)]


def _held(db: Session, worker: Worker) -> TierOverride:
    return db.scalars(
        select(TierOverride).where(TierOverride.worker_id == worker.id, TierOverride.state == "active")
    ).one()


# Applying


def test_everybody_in_it_is_moved_once_with_a_record_and_a_message(db: Session, books: None) -> None:
    workers = _crowd(db)

    made = _applied(db, workers)
    for _ in range(2):
        run_steps(db, bulk_steps.go_on(db))

    assert (made.state, made.n_moved, made.n_waiting) == ("applied", 3, 0)
    assert [_moves(db, worker) for worker in workers] == [[(1, 3, "override")]] * 3
    told = db.execute(text("DELETE FROM outbox_events WHERE topic = 'TierMoved' RETURNING payload")).all()
    tiers.tell(db, [TierMoved(**row.payload) for row in told])
    words = db.scalars(text("SELECT words FROM messages WHERE person_ref = :id"), {"id": workers[0].id}).all()
    assert words == ["In image.categorization you are at tier 3 from your next claim on. They were tested."]


def test_each_stands_there_for_as_long_as_their_line_says(db: Session, books: None) -> None:
    one, other = _crowd(db, 2)
    until = clock.now(db) + timedelta(hours=30)
    approve(db, propose(db, line(one, 3, days="7"), line(other, 3, expires_at=until.isoformat())))
    run_steps(db, bulk_steps.go_on(db))

    assert (_held(db, one).ends_at, _held(db, one).days) == (clock.now(db) + timedelta(days=7), 7)
    assert (_held(db, other).ends_at, _held(db, other).days) == (until, 2)
    age(db, "tier_overrides", "ends_at", 2 * DAY)
    age(db, "worker_tiers", "pinned_until", 2 * DAY)
    assert overrides.expire(db) == 1
    assert _tiers(db, [one, other]) == [3, 1]


def test_days_count_from_the_approval_however_late_the_turn_comes(db: Session) -> None:
    [worker] = _crowd(db, 1)
    made = _approved(db, [worker])
    age(db, "bulk_moves", "decided_at", 10 * DAY)

    run_steps(db, bulk_steps.go_on(db))

    assert _held(db, worker).ends_at == clock.now(db) + timedelta(days=20)
    assert _held(db, worker).days == 20
    assert bulk_moves.find(db, made.id).state == "applied"


def test_a_line_that_is_not_as_its_preview_said_is_skipped_and_says_why(db: Session, books: None) -> None:
    fine, moved, held, gone, mate = _crowd(db, 5)
    made = _approved(db, [fine, moved, held, gone, mate])
    tiers.set_tier(db, moved.id, skill=SKILL, tier=2, reason="x", moved_by="cid")
    overrides.propose(db, held.id, skill=SKILL, tier=4, reason="x", days=9, proposed_by="cid")
    gone.status = WorkerStatus.OFFBOARDED
    other = factories.create_worker(db)
    db.execute(text("UPDATE bulk_moves SET decided_by = :id"), {"id": other.id})
    linked.declare(db, other.id, mate.id, kind="device", evidence="One telephone.", recorded_by="cid")

    run_steps(db, bulk_steps.go_on(db))

    assert _fates(db, made) == ["moved", "skipped", "skipped", "skipped", "skipped"]
    assert _tiers(db, [fine, moved, held, gone, mate]) == [3, 2, 1, 1, 1]
    assert len({one.why for one in lines(db, made)}) == 5
    db.refresh(made)
    assert (made.state, made.n_moved, made.n_skipped) == ("applied", 1, 4)


def test_whose_date_has_come_before_their_turn_is_not_moved(db: Session, books: None) -> None:
    [worker] = _crowd(db, 1)
    made = _approved(db, [worker], days=3)
    age(db, "bulk_moves", "decided_at", 4 * DAY)

    run_steps(db, bulk_steps.go_on(db))

    assert (_fates(db, made), _tiers(db, [worker])) == (["skipped"], [1])


def test_of_two_files_about_one_worker_the_first_moves_them(db: Session, books: None) -> None:
    [worker] = _crowd(db, 1)
    first, second = _approved(db, [worker]), _approved(db, [worker], tier=4)

    run_steps(db, bulk_steps.go_on(db))

    assert (_fates(db, first), _fates(db, second), _tiers(db, [worker])) == (["moved"], ["skipped"], [3])


def test_applying_goes_on_where_it_was_cut_off(house: House) -> None:
    with house.sessions() as db:
        workers = _crowd(db, 7)
        made = _approved(db, workers)
        db.commit()
    for _ in range(2):
        with house.sessions() as db:
            # The second step dies before it is committed.
            steps = bulk_steps.go_on(db)
            next(steps)
            db.commit()
            next(steps)
    with house.sessions() as db:
        assert bulk_moves.find(db, made.id).n_moved == 4
        run_steps(db, bulk_steps.go_on(db))
        assert bulk_moves.find(db, made.id).state == "applied"
        assert [_moves(db, worker) for worker in workers] == [[(1, 3, "override")]] * 7
    house.settle()
    with house.sessions() as db:
        told = Counter(db.scalars(text("SELECT person_ref FROM messages WHERE kind = 'tier_moved'")))
        assert told == dict.fromkeys((worker.id for worker in workers), 1)


# Two at once


def test_of_two_who_approve_at_once_one_does(house: House) -> None:
    with house.sessions() as db:
        made = propose(db, *(line(one, 3) for one in _crowd(db)))
        db.commit()
    with house.sessions() as db:
        approve(db, made)
        with held_up(house, lambda other: approve(other, made, by="cid")) as late:
            db.commit()
    with pytest.raises(BulkMoveDecided):
        late.result()
    with house.sessions() as db:
        assert bulk_moves.find(db, made.id).decided_by == "bob"


def test_two_who_go_on_at_once_move_nobody_twice(house: House) -> None:
    with house.sessions() as db:
        workers = _crowd(db, 4)
        _approved(db, workers)
        db.commit()
    with house.sessions() as db, house.sessions() as other:
        steps = bulk_steps.go_on(db)
        next(steps)

        assert list(bulk_steps.go_on(other)) == []

        db.commit()
        run_steps(other, bulk_steps.go_on(other))
        assert [_moves(other, worker) for worker in workers] == [[(1, 3, "override")]] * 4


def test_undoing_waits_for_the_step_under_way_and_none_comes_after_it(house: House) -> None:
    with house.sessions() as db:
        workers = _crowd(db, 3)
        made = _approved(db, workers)
        db.commit()

    def undo(other: Session) -> str:
        return bulk_moves.undo(other, made.id, reason="The wrong file.", undone_by="cid").state

    with house.sessions() as db:
        next(bulk_steps.go_on(db))
        with held_up(house, undo) as undoing:
            db.commit()
    with house.sessions() as db:
        run_steps(db, bulk_steps.go_on(db))
        assert undoing.result() == "undoing"
        assert Counter(_fates(db, made)) == {"returned": 2, "skipped": 1}
        assert _tiers(db, workers) == [1, 1, 1]


# Undoing


def test_undoing_brings_everybody_back_with_a_record_that_says_why(db: Session, books: None) -> None:
    workers = [*_crowd(db), factories.create_worker(db, tier=4)]
    made = _applied(db, workers)
    assert _tiers(db, workers) == [3, 3, 3, 3]

    made = _undone(db, made)

    assert (made.state, made.n_returned, made.n_moved) == ("undone", 4, 0)
    assert _tiers(db, workers) == [1, 1, 1, 4]
    assert _moves(db, workers[0]) == [(1, 3, "override"), (3, 1, "expiry")]
    [place] = places.mine(db, workers[0].id)
    assert place.reason is not None
    assert place.reason.endswith("is taken back: The wrong file.")
    assert {row.ended_by for row in db.scalars(select(TierOverride))} == {"ada"}


def test_undoing_twice_changes_nothing(db: Session, books: None) -> None:
    workers = _crowd(db)
    made = _undone(db, _applied(db, workers))
    before = [_moves(db, worker) for worker in workers]

    again = _undone(db, made)

    assert (again.state, [_moves(db, worker) for worker in workers]) == ("undone", before)


def test_whoever_has_moved_on_since_is_left_where_they_are(db: Session, books: None) -> None:
    back, ended, elsewhere = workers = _crowd(db)
    made = _applied(db, workers)
    for worker in (ended, elsewhere):
        overrides.end(db, _held(db, worker).id, ended_by="cid")
    given = overrides.propose(db, elsewhere.id, skill=SKILL, tier=4, reason="x", days=9, proposed_by="cid")
    overrides.approve(db, given.id, approved_by="bob")
    tiers.set_tier(db, ended.id, skill=SKILL, tier=2, reason="x", moved_by="cid")

    made = _undone(db, made)

    assert _fates(db, made) == ["returned", "kept", "kept"]
    assert _tiers(db, [back, ended, elsewhere]) == [1, 2, 4]
    assert (made.state, made.n_returned, made.n_kept) == ("undone", 1, 2)
    assert all(one.why for one in lines(db, made)[1:])


def test_who_was_not_moved_yet_stays_when_it_is_undone(db: Session, books: None) -> None:
    workers = _crowd(db, 5)
    made = _approved(db, workers)
    next(bulk_steps.go_on(db))

    made = _undone(db, made)

    assert Counter(_fates(db, made)) == {"returned": 2, "skipped": 3}
    assert (made.state, _tiers(db, workers)) == ("undone", [1] * 5)
    assert sum(len(_moves(db, worker)) for worker in workers) == 4


def test_undoing_goes_on_where_it_was_cut_off(house: House) -> None:
    with house.sessions() as db:
        workers = _crowd(db, 7)
        made = _applied(db, workers)
        bulk_moves.undo(db, made.id, reason="The wrong file.", undone_by="ada")
        db.commit()
    for _ in range(2):
        with house.sessions() as db:
            steps = bulk_steps.go_on(db)
            next(steps)
            db.commit()
            next(steps)
    with house.sessions() as db:
        assert bulk_moves.find(db, made.id).n_returned == 4
        run_steps(db, bulk_steps.go_on(db))
        assert bulk_moves.find(db, made.id).state == "undone"
        assert [_moves(db, worker) for worker in workers] == [[(1, 3, "override"), (3, 1, "expiry")]] * 7


def test_what_is_undone_comes_before_what_is_applied(db: Session) -> None:
    first, second = _crowd(db, 1), _crowd(db, 1)
    wrong = _applied(db, first)
    _approved(db, second)
    bulk_moves.undo(db, wrong.id, reason="The wrong file.", undone_by="ada")

    next(bulk_steps.go_on(db))

    assert _tiers(db, first + second) == [1, 1]


# A model of it


class Moving(RuleBasedStateMachine):
    """Files about three workers, applied and undone line by line in any order with moves by hand, beside a model."""

    urls: Urls

    @initialize()
    def begin(self) -> None:
        self.engine = create_engine(self.urls.app)
        self.db = Session(self.engine, expire_on_commit=False, autoflush=False)
        self.workers = _crowd(self.db)
        self.tiers = {worker.id: 1 for worker in self.workers}
        # Who is held, and where they stood before; the override's id.
        self.held: dict[str, tuple[int, str]] = {}
        self.made: list[BulkMove] = []
        self.states: dict[str, str] = {}
        self.fates: dict[tuple[str, str], str] = {}
        self.wanted: dict[tuple[str, str], tuple[int, int]] = {}
        self.overrides: dict[tuple[str, str], str] = {}

    def _of(self, bulk_id: str, *fates: str) -> list[str]:
        return [who for (bulk, who), fate in sorted(self.fates.items()) if bulk == bulk_id and fate in fates]

    @rule(tiers_to=st.lists(st.integers(0, 4), min_size=1, max_size=3), at_once=st.booleans())
    def propose(self, tiers_to: list[int], *, at_once: bool) -> None:
        pairs = list(zip(self.workers, tiers_to, strict=False))
        made = propose(self.db, *(line(worker, tier) for worker, tier in pairs))
        self.made.append(made)
        self.states[made.id] = "proposed"
        for worker, tier in pairs:
            now = self.tiers[worker.id]
            fate = "bad" if worker.id in self.held else "there" if tier == now else "waiting"
            self.fates[made.id, worker.id], self.wanted[made.id, worker.id] = fate, (now, tier)
        if at_once:
            approve(self.db, made)
            self.states[made.id] = "applying" if self._of(made.id, "waiting") else "applied"

    def _one(self, *states: str) -> BulkMove | None:
        """One in these states, or else any."""
        return next((made for made in self.made if self.states[made.id] in states), self.made[0] if self.made else None)

    @rule()
    def approve(self) -> None:
        made = self._one("proposed")
        if made is None:
            return
        if self.states[made.id] != "proposed":
            with pytest.raises(BulkMoveDecided):
                approve(self.db, made)
            return
        approve(self.db, made)
        self.states[made.id] = "applying" if self._of(made.id, "waiting") else "applied"

    @rule()
    def undo(self) -> None:
        made = self._one("applied", "applying")
        if made is None:
            return
        if self.states[made.id] == "proposed":
            with pytest.raises(BulkMoveDecided):
                bulk_moves.undo(self.db, made.id, reason="x", undone_by="ada")
            return
        bulk_moves.undo(self.db, made.id, reason="x", undone_by="ada")
        if self.states[made.id] != "undone":
            self.states[made.id] = "undoing"

    @rule(n=st.integers(1, 4))
    def some_steps(self, n: int) -> None:
        for _ in range(n):
            self._one_step()

    def _one_step(self) -> None:
        for state, act in (("undoing", self._one_back), ("applying", self._one_on)):
            going = [made for made in self.made if self.states[made.id] == state]
            if going:
                assert len(list(_first(bulk_steps.go_on(self.db)))) == 1
                act(min(made.id for made in going))
                return
        assert list(_first(bulk_steps.go_on(self.db))) == []

    def _one_on(self, bulk_id: str) -> None:
        who = self._of(bulk_id, "waiting")[0]
        before, after = self.wanted[bulk_id, who]
        if who in self.held or self.tiers[who] != before:
            self.fates[bulk_id, who] = "skipped"
        else:
            self.fates[bulk_id, who], self.tiers[who] = "moved", after
            self.overrides[bulk_id, who] = _held(self.db, self.db.get_one(Worker, who)).id
            self.held[who] = before, self.overrides[bulk_id, who]
        if not self._of(bulk_id, "waiting"):
            self.states[bulk_id] = "applied"

    def _one_back(self, bulk_id: str) -> None:
        left = self._of(bulk_id, "waiting", "moved")
        if left and self.fates[bulk_id, left[0]] == "waiting":
            self.fates[bulk_id, left[0]] = "skipped"
        elif left and self.held.get(left[0], (0, ""))[1] == self.overrides[bulk_id, left[0]]:
            self.fates[bulk_id, left[0]] = "returned"
            self.tiers[left[0]], _ = self.held.pop(left[0])
        elif left:
            self.fates[bulk_id, left[0]] = "kept"
        if not self._of(bulk_id, "waiting", "moved"):
            self.states[bulk_id] = "undone"

    @rule(at=st.integers(0, 2), tier=st.integers(0, 4))
    def two_people_say(self, at: int, tier: int) -> None:
        who = self.workers[at].id
        said: dict[str, Any] = {"skill": SKILL, "tier": tier, "reason": "x", "days": 9, "proposed_by": "cid"}
        if who in self.held:
            with pytest.raises(OverrideOpen):
                overrides.propose(self.db, who, **said)
            return
        made = overrides.propose(self.db, who, **said)
        overrides.approve(self.db, made.id, approved_by="dan")
        self.held[who], self.tiers[who] = (self.tiers[who], made.id), tier

    @rule(at=st.integers(0, 2))
    def what_holds_ends(self, at: int) -> None:
        who = self.workers[at].id
        if who in self.held:
            self.tiers[who], override_id = self.held.pop(who)
            overrides.end(self.db, override_id, ended_by="cid")

    @rule(at=st.integers(0, 2), tier=st.integers(0, 4))
    def somebody_is_moved(self, at: int, tier: int) -> None:
        who = self.workers[at].id
        if who not in self.held:
            tiers.set_tier(self.db, who, skill=SKILL, tier=tier, reason="x", moved_by="cid")
            self.tiers[who] = tier

    @invariant()
    def everybody_stands_where_the_model_says(self) -> None:
        assert _tiers(self.db, self.workers) == [self.tiers[worker.id] for worker in self.workers]
        for made in self.made:
            found = {one.worker_id: one.fate for one in lines(self.db, made)}
            assert found == {who: fate for (bulk, who), fate in self.fates.items() if bulk == made.id}
            assert bulk_moves.find(self.db, made.id).state == self.states[made.id]
        assert not any(self.db.execute(text(sql)).all() for sql in _RULES)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.rollback()
            self.db.close()
            self.engine.dispose()


def _first(steps: Iterator[None]) -> Iterator[None]:
    for step in steps:
        yield step
        return


_RULES = [sql for name, sql in checks.CHECKS.items() if name.split()[0] in {"W22", "W24", "W34", "W35", "W36"}]


def test_any_order_of_acts_leaves_everybody_where_it_should(
    new_database: Callable[[], Urls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_steps, "_AT_ONCE", 1)
    Moving.urls = new_database()
    run_state_machine_as_test(Moving, settings=settings(max_examples=20, stateful_step_count=40, deadline=None))
