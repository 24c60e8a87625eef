"""Bulk moves: what a file would do is told by line and done by nobody alone, and who is in it decides nothing of it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.jobs import run_steps
from payments.four_eyes import SamePerson
from tests import factories
from tests.conftest import age
from workforce import bulk_lines, bulk_moves, bulk_steps, linked, overrides, places
from workforce.bulk_lines import MovesUnreadable
from workforce.bulk_moves import BulkMoveDecided, NoSuchBulkMove, NotWhatWasShown
from workforce.linked import LinkedToYou
from workforce.models import BulkLine, BulkMove, Project, Worker, WorkerStatus

SKILL = factories.SKILL
HEADER = "worker_id,skill,tier,reason,days,expires_at"


def line(worker: Worker | str, tier: object, skill: str = SKILL, **said: str) -> str:
    worker_id = worker if isinstance(worker, str) else worker.id
    cells = {"reason": "", "days": "", "expires_at": "", **said}
    return ",".join([worker_id, skill, str(tier), *cells.values()])


def propose(db: Session, *lines: str, header: str = HEADER, by: str = "ada", **changes: Any) -> BulkMove:
    if db.scalar(select(Project.id).where(Project.skill == SKILL).limit(1)) is None:
        factories.create_project(db)
    whole: dict[str, Any] = {"reason": "They were tested.", "days": 30, **changes}
    return bulk_moves.propose(db, io.BytesIO("\r\n".join([header, *lines, ""]).encode()), proposed_by=by, **whole)


def approve(db: Session, made: BulkMove, *, by: str = "bob") -> BulkMove:
    return bulk_moves.approve(db, made.id, content_hash=made.hash, approved_by=by)


def lines(db: Session, made: BulkMove) -> list[BulkLine]:
    rows = bulk_moves.lines(db, made.id).order_by(BulkLine.line)
    return list(db.scalars(rows.execution_options(populate_existing=True)))


def _link(db: Session, worker: Worker, person: str) -> None:
    linked.declare(db, worker.id, person, kind="device", evidence="One telephone.", recorded_by="cid")


def _told(db: Session, made: BulkMove) -> list[tuple[int, str, str | None]]:
    return [(one.line, one.fate, one.pointer) for one in lines(db, made)]


# Looking through


def test_a_proposal_says_what_would_become_of_each_line_and_moves_nobody(db: Session) -> None:
    low, high, mine, mate, held, gone = (factories.create_worker(db) for _ in range(6))
    _link(db, mine, mate.id)
    overrides.propose(db, held.id, skill=SKILL, tier=3, reason="x", days=9, proposed_by="cid")
    gone.status = WorkerStatus.OFFBOARDED
    db.flush()

    made = propose(
        db, line(low, 3), line(high, 1), "", line(ids.new("wrk"), 3), line(low, 3, "image.categorisation"),
        line(mine, 3), line(mate, 3), line(held, 3), line(gone, 3), line(low, 2), "one cell", by=mine.id,
    )  # fmt: skip

    assert _told(db, made) == [
        (2, "waiting", None), (3, "there", None), (5, "bad", "/worker_id"), (6, "bad", "/skill"),
        (7, "bad", "/worker_id"), (8, "bad", "/worker_id"), (9, "bad", ""), (10, "bad", "/worker_id"), (11, "bad", ""),
        (12, "bad", ""),
    ]  # fmt: skip
    assert (made.state, made.n_lines, made.n_waiting, made.n_there, made.n_bad) == ("proposed", 10, 1, 1, 8)
    assert all(one.why for one in lines(db, made) if one.fate == "bad")
    assert places.of_worker(db, low.id) == []


@pytest.mark.parametrize(
    ("cells", "pointer"),
    [
        ("nobody,{skill},3,,,", "/worker_id"),
        (",{skill},3,,,", "/worker_id"),
        ("{worker},,3,,,", "/skill"),
        ("{worker},no such skill,3,,,", "/skill"),
        ("{worker},{skill},5,,,", "/tier"),
        ("{worker},{skill},-1,,,", "/tier"),
        ("{worker},{skill},expert,,,", "/tier"),
        ("{worker},{skill},,,,", "/tier"),
        ("{worker},{skill},3,,0,", "/days"),
        ("{worker},{skill},3,,366,", "/days"),
        ("{worker},{skill},3,,9,2027-01-01T00:00:00Z", "/days"),
        ("{worker},{skill},3,,,2020-01-01T00:00:00Z", "/expires_at"),
        ("{worker},{skill},3,,,2999-01-01T00:00:00Z", "/expires_at"),
        ("{worker},{skill},3,,,2027-01-01", "/expires_at"),
    ],
)
def test_a_line_that_is_wrong_is_told_by_its_column(db: Session, cells: str, pointer: str) -> None:
    worker = factories.create_worker(db)

    (one,) = lines(db, propose(db, cells.format(worker=worker.id, skill=SKILL)))

    assert (one.fate, one.pointer, one.tier_from) == ("bad", pointer, None)
    assert one.why


@pytest.mark.parametrize("header", ["", "worker_id,skill", f"{HEADER},pay", f"{HEADER},tier", '"', "\x00"])
def test_a_file_without_its_columns_is_none_of_moves(db: Session, header: str) -> None:
    with pytest.raises(MovesUnreadable):
        propose(db, header=header)


def test_a_file_is_bounded(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_lines, "LINES_MAX", 2)
    workers = [factories.create_worker(db) for _ in range(3)]

    assert propose(db, *(line(one, 3) for one in workers[:2])).n_waiting == 2
    with pytest.raises(MovesUnreadable):
        propose(db, *(line(one, 3) for one in workers))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_moves_or_are_refused(db: Session, sent: bytes) -> None:
    file = io.BytesIO(f"{HEADER}\n".encode() + sent)

    made = bulk_moves.propose(db, file, reason="x", days=1, proposed_by="ada")

    assert made.n_lines == made.n_bad


def test_a_line_says_its_own_reason_and_date_or_has_those_of_the_whole(db: Session) -> None:
    workers = [factories.create_worker(db) for _ in range(3)]
    until = (datetime.now(UTC) + timedelta(days=100)).replace(microsecond=0)
    said = [{}, {"reason": "A talk.", "days": "7"}, {"expires_at": until.isoformat()}]

    made = propose(db, *(line(worker, 3, **own) for worker, own in zip(workers, said, strict=True)))

    found = [(one.reason, one.days, one.expires_at) for one in lines(db, made)]
    assert found == [("They were tested.", 30, None), ("A talk.", 7, None), ("They were tested.", None, until)]
    assert (made.reason, made.days) == ("They were tested.", 30)


def test_what_lines_come_to_is_counted_by_tiers(db: Session) -> None:
    workers = [factories.create_worker(db, tier=tier) for tier in (None, None, 2, 3)]

    found = bulk_moves.shown(db, propose(db, *(line(worker, 3) for worker in workers)))

    assert [tuple(row) for row in found.moves] == [(1, 3, 2), (2, 3, 1)]


# Two people


def test_whoever_proposed_it_does_not_approve_it(db: Session) -> None:
    made = propose(db, line(factories.create_worker(db), 3))

    with pytest.raises(SamePerson):
        approve(db, made, by="ada")
    with pytest.raises(IntegrityError, match="approved_by_another"), db.begin_nested():
        db.execute(text("UPDATE bulk_moves SET state = 'applying', decided_by = 'ada', decided_at = now()"))


def test_only_what_was_shown_is_approved(db: Session) -> None:
    one, other = (factories.create_worker(db) for _ in range(2))
    made, another = propose(db, line(one, 3)), propose(db, line(other, 3))

    with pytest.raises(NotWhatWasShown):
        bulk_moves.approve(db, made.id, content_hash=another.hash, approved_by="bob")

    assert approve(db, made).state == "applying"


@pytest.mark.parametrize(
    "change",
    [{"tier_to": 4}, {"tier_from": 0}, {"reason": "x"}, {"days": 365}, {"worker_id": "wrk_x"}, {"fate": "bad"}],
    ids=str,
)
def test_the_hash_is_of_all_that_lines_promise(db: Session, change: dict[str, Any]) -> None:
    made = propose(db, *(line(factories.create_worker(db), 3) for _ in range(2)))
    found = lines(db, made)
    assert bulk_lines.content_hash(found) == made.content_hash

    with db.no_autoflush:
        for name, value in change.items():
            setattr(found[1], name, value)
        assert bulk_lines.content_hash(found) != made.content_hash
        db.expunge(found[1])


def test_what_was_proposed_stays_as_it_was(db: Session) -> None:
    propose(db, line(factories.create_worker(db), 3))

    for change in ("tier_to = 4", "worker_id = 'wrk_x'", "days = 1", "reason = 'x'"):
        with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
            db.execute(text(f"UPDATE bulk_lines SET {change}"))


def test_a_bulk_move_is_decided_once(db: Session) -> None:
    made, refused = (propose(db, line(factories.create_worker(db), 3)) for _ in range(2))
    approve(db, made)
    assert bulk_moves.refuse(db, refused.id, refused_by="ada").state == "refused"

    for decided in (made, refused):
        with pytest.raises(BulkMoveDecided):
            approve(db, decided, by="cid")
        with pytest.raises(BulkMoveDecided):
            bulk_moves.refuse(db, decided.id, refused_by="cid")
    with pytest.raises(BulkMoveDecided):
        bulk_moves.undo(db, refused.id, reason="x", undone_by="cid")
    with pytest.raises(NoSuchBulkMove):
        bulk_moves.refuse(db, ids.new("bmv"), refused_by="cid")


def test_nobody_decides_about_a_file_that_they_or_theirs_are_in(db: Session) -> None:
    mine, mate, other = (factories.create_worker(db) for _ in range(3))
    _link(db, mine, mate.id)
    made = propose(db, line(mate, 3), line(other, 3))

    for person in (mine.id, mate.id):
        with pytest.raises(LinkedToYou):
            approve(db, made, by=person)
    approve(db, made)
    for person in (mine.id, mate.id, other.id):
        with pytest.raises(LinkedToYou):
            bulk_moves.undo(db, made.id, reason="x", undone_by=person)
    assert bulk_moves.undo(db, made.id, reason="x", undone_by="ada").state == "undoing"


def test_a_file_that_moves_nobody_is_over_when_it_is_approved(db: Session) -> None:
    assert approve(db, propose(db, line(factories.create_worker(db), 1))).state == "applied"


def test_what_nobody_decides_is_over_after_a_week(db: Session) -> None:
    made = propose(db, line(factories.create_worker(db), 3))
    assert bulk_moves.expire(db) == 0
    age(db, "bulk_moves", "expires_at", 8 * 86_400)

    assert (bulk_moves.expire(db), bulk_moves.expire(db)) == (1, 0)

    assert bulk_moves.find(db, made.id).state == "expired"
    with pytest.raises(BulkMoveDecided):
        approve(db, made)


# Over HTTP


def test_ops_move_many_over_http(client: FlaskClient, token: Any, db: Session) -> None:
    one, other = factories.create_worker(db), factories.create_worker(db, tier=2)
    factories.create_project(db)
    until = clock.now(db) + timedelta(days=9)
    db.commit()
    ada: Any = {"Authorization": f"Bearer {token('ops', 'ada')}"}
    bob: Any = {"Authorization": f"Bearer {token('ops', 'bob')}"}
    me: Any = {"Authorization": f"Bearer {token('worker', one.id)}"}
    file = "\n".join([HEADER, line(one, 3), line(other, 3, expires_at=until.isoformat()), line(one, 9)]).encode()

    made = client.post("/api/bulk-moves?reason=Tested.", headers=ada, data=file)
    bulk = made.get_json()["bulk_move"]
    address, seen = f"/api/bulk-moves/{bulk['id']}", {"content_hash": bulk["content_hash"]}
    own = client.post(f"{address}/approval", headers=ada, json=seen)
    blind = client.post(f"{address}/approval", headers=bob, json={"content_hash": "0" * 64})
    let = client.post(f"{address}/approval", headers=bob, json=seen)
    run_steps(db, bulk_steps.go_on(db))
    done = client.get(address, headers=bob).get_json()
    read = client.get("/api/me/tiers", headers=me).get_json()["items"]
    faults = client.get(f"{address}/lines?fate=bad", headers=ada).get_json()["items"]
    (found,) = client.get(f"{address}/lines?tier_from=2&tier_to=3&worker_id={other.id}", headers=ada).get_json()[
        "items"
    ]
    undone = client.post(f"{address}/undo", headers=ada, json={"reason": "The wrong file."})
    run_steps(db, bulk_steps.go_on(db))

    assert (made.status_code, bulk["waiting"], bulk["bad"]) == (201, 2, 1)
    assert made.get_json()["moves"] == [
        {"tier_from": 1, "tier_to": 3, "lines": 1}, {"tier_from": 2, "tier_to": 3, "lines": 1},
    ]  # fmt: skip
    assert (own.status_code, own.get_json()["type"]) == (409, "/problems/same-person")
    assert (blind.status_code, blind.get_json()["type"]) == (409, "/problems/not-what-was-shown")
    assert (let.status_code, let.get_json()["state"]) == (200, "applying")
    assert (done["bulk_move"]["state"], done["bulk_move"]["moved"]) == ("applied", 2)
    assert [(mine["tier"], mine["reason"], mine["cause"]) for mine in read] == [(3, "Tested.", "override")]
    assert [(one["line"], one["pointer"]) for one in faults] == [(4, "/tier")]
    assert (found["fate"], found["days"], found["override_id"][:4]) == ("moved", None, "ovr_")
    assert (undone.status_code, undone.get_json()["state"]) == (200, "undoing")
    (listed,) = client.get("/api/bulk-moves?state=undone", headers=ada).get_json()["items"]
    assert (listed["id"], listed["returned"], listed["undo_reason"]) == (bulk["id"], 2, "The wrong file.")
    (mine,) = client.get("/api/me/tiers", headers=me).get_json()["items"]
    assert mine["tier"] == 1
    assert mine["reason"].endswith("is taken back: The wrong file.")
    assert client.post("/api/bulk-moves?reason=x&days=30", headers=ada, data=b"nothing\n").status_code == 422
    assert client.post("/api/bulk-moves?days=30", headers=ada, data=file).status_code == 422
