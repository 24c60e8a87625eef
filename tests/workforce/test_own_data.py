"""What a worker takes along of every part of the house, and that no word of theirs is left when they are forgotten."""

import json
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from payments import payees
from tests import factories
from tests.payments import owed
from tests.workforce import lived
from workforce import bulk_moves, erasures, messages, own_data, suspensions
from workforce.messages import News
from workforce.models import BulkMove, Suspension, Worker

_MARK, _OTHERS = "zaffre", "cerulean"


def _taken(db: Session, worker: Worker) -> dict[str, list[dict[str, Any]]]:
    with own_data.export(db, worker.id) as file:
        taken: dict[str, list[dict[str, Any]]] = json.load(file)
    return taken


def _forget(db: Session, worker: Worker) -> None:
    erasures.confirm(db, erasures.request(db, worker.id).id, confirmed_by="olga")
    db.flush()
    db.expire_all()


def _where(db: Session, mark: str) -> list[str]:
    """All tables in which a word is left, in whatever column."""
    tables = db.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")).all()
    count = "SELECT count(*) FROM {} t WHERE strpos(lower(t::text), :mark) > 0"
    return [table for table in tables if db.scalar(text(count.format(table)), {"mark": mark})]


def test_who_has_done_everything_takes_something_of_every_part(db: Session, books: None) -> None:
    ada = lived.come(db, _MARK)
    lived.work(db, ada, _MARK)
    lived.pay(db, ada, _MARK)

    taken = _taken(db, ada)

    assert [name for name, rows in taken.items() if not rows] == []
    assert [(one["state"], one["grounds"], one["decision"]) for one in taken["appeals"]] == [
        ("denied", "zaffre: I looked", "zaffre: you did not")
    ]
    assert [one["evidence"] for one in taken["reviews"]] == ["zaffre: the first label"]
    assert [one["payload"] for one in taken["drafts"]] == [{"text": "zaffre: so far"}]
    assert [one["category"] for one in taken["attempt_answers"]] == ["rook", "rook", "rook", "crow"]
    assert [one["reason"] for one in taken["tier_overrides"]] == ["zaffre: ornithologist"]
    assert {one["reason"] for one in taken["holds"]} == {"zaffre: unclear"}
    assert [(one["before"], one["after"]) for one in taken["adjustments"]] == [("0.0000", "0.0500")]
    assert {one["kind"] for one in taken["earnings"]} == {"answer", "goodwill"}
    assert [(one["gross"], one["state"]) for one in taken["payouts"]] == [
        ("95.0000", "returned"),
        ("47.5000", "settled"),
    ]


def test_who_is_linked_or_suspected_and_what_the_law_hides_is_not_in_it(db: Session, books: None) -> None:
    ada = lived.come(db, _MARK)
    lived.work(db, ada, _MARK)

    taken = json.dumps(_taken(db, ada))

    others = set(db.scalars(text("SELECT id FROM workers"))) - {ada.id}
    assert [one for one in others if one in taken] == []
    for said in ("a telephone", "a family", "by chance", "err as one", "They were tested", "is_right", "of_gold"):
        assert said not in taken


def test_gold_looks_like_any_other_task_in_it(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, overlap_min=1, overlap_max=1)
    golds = {factories.create_gold(db, project).task_id for _ in range(4)}
    for _ in range(4):
        factories.create_task(db, project)
    ada = factories.create_worker(db)
    for _ in range(4):
        factories.answer(db, ada, project=project)
    factories.settle(db)
    assert db.scalar(text("SELECT count(*) FROM exposures")), "gold was met"

    taken = _taken(db, ada)

    written = json.dumps(taken)
    assert [one for one in golds if one in written] == []
    assert len(taken["assignments"]) == len(taken["answers"]) == len(taken["working_time"]) == 4
    assert len({(*one, one["status"], one["amount"]) for one in taken["assignments"]}) == 1


def test_nothing_of_somebody_else_who_has_done_the_same_is_in_it(db: Session, books: None) -> None:
    ada, ben = lived.come(db, _MARK), lived.come(db, _OTHERS)
    for worker, mark in ((ada, _MARK), (ben, _OTHERS)):
        lived.work(db, worker, mark)

    taken = json.dumps(_taken(db, ada))

    assert _MARK in taken
    assert _OTHERS not in taken
    assert ben.id not in taken
    assert ben.payee_id not in taken


def test_no_word_that_they_wrote_or_that_is_about_them_is_left(db: Session, books: None) -> None:
    ada, ben = lived.come(db, _MARK), lived.come(db, _OTHERS)
    for worker, mark in ((ada, _MARK), (ben, _OTHERS)):
        lived.work(db, worker, mark)
    before = _where(db, _OTHERS)
    kept = "SELECT (SELECT count(*) FROM answers), (SELECT count(*) FROM earnings), (SELECT count(*) FROM tier_moves)"
    counted = db.execute(text(kept)).one()
    assert len(_where(db, _MARK)) > 15

    _forget(db, ada)

    assert _where(db, _MARK) == []
    assert _where(db, _OTHERS) == before
    assert db.execute(text(kept)).one() == counted
    assert {one["reason"] for one in _taken(db, ada)["tier_moves"]} == {"***"}


def test_whoever_was_forgotten_is_told_nothing_more(db: Session) -> None:
    ada, ben = factories.create_worker(db), factories.create_worker(db)
    _forget(db, ada)

    facts = {"skill": "image", "tier": 2, "reason": "They know rooks."}
    told = messages.tell(db, "tier_moved", [News(one.id, "1", facts) for one in (ada, ben)])

    assert (told, db.scalars(text("SELECT person_ref FROM messages")).all()) == (1, [ben.id])


def test_what_was_proposed_of_them_can_be_approved_by_nobody(db: Session) -> None:
    ada = lived.come(db, _MARK)
    lived.work(db, ada, _MARK)

    _forget(db, ada)

    made = db.scalars(select(BulkMove)).one()
    with pytest.raises(bulk_moves.BulkMoveDecided):
        bulk_moves.approve(db, made.id, content_hash=made.hash, approved_by="bob")


def test_the_reason_of_a_suspension_of_several_stays_until_the_last_is_forgotten(db: Session) -> None:
    ada, ben = factories.create_worker(db), factories.create_worker(db)
    made = suspensions.suspend(db, [ada.id, ben.id], hours=1, reason="They share a room.", made_by="ops")

    _forget(db, ada)
    assert db.get_one(Suspension, made.id).reason == "They share a room."
    _forget(db, ben)

    assert db.get_one(Suspension, made.id).reason == "***"


def test_where_somebody_was_paid_to_stays_and_where_they_were_not_goes(db: Session, books: None) -> None:
    ada = factories.create_worker(db)
    payee = payees.find(db, ada.payee_id)
    paid_to = owed.set_method(db, payee)
    owed.owe(db, payee, 500_000)
    owed.pay_out(db)
    owed.set_method(db, payee)

    _forget(db, ada)

    left = db.execute(text("SELECT id, status FROM payout_methods WHERE payee_id = :id"), {"id": payee.id}).all()
    assert left == [(paid_to.id, "retired")]


_WORDS = {
    "appeals": "grounds",
    "bulk_lines": "reason",
    "suspensions": "reason",
    "task_reports": "note",
    "tier_moves": "reason",
    "tier_overrides": "reason",
    "withdrawals": "note",
}


def test_words_go_and_are_never_others_than_were_written(db: Session) -> None:
    lived.work(db, lived.come(db, _MARK), _MARK)

    for table, column in _WORDS.items():
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(f"UPDATE {table} SET {column} = 'Something else.'"))
        db.execute(text(f"UPDATE {table} SET {column} = '***'"))
        assert db.scalars(text(f"SELECT DISTINCT {column} FROM {table}")).all() == ["***"]


def test_nothing_but_the_words_of_a_move_changes(db: Session) -> None:
    factories.create_worker(db, tier=3)

    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text("UPDATE tier_moves SET reason = '***', tier_to = 4"))
    assert db.scalar(text("SELECT tier_to FROM tier_moves")) == 3
