"""Quarantines: proposed by evidence, decided once by ops, ended by ops or the clock; and what votes weigh meanwhile."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from foundation import ids, pagination
from foundation.errors import NotFound
from quality import consensus, quarantine, reliability, votes
from quality.events import EvidenceRaised
from quality.methods.evidence import Evidence, Kind
from quality.models import Quarantine
from quality.quarantine import DecisionNotAllowed
from tests.conftest import age

PROJECT, ELSEWHERE = "prj_birds", "prj_fish"


def _found(*voters: int, kind: Kind = Kind.CLUSTER) -> Evidence:
    return Evidence(kind, voters, statistic=12.5, threshold=9.2, answers=40, sentence="They err as one.")


def _propose(db: Session, *voter_ids: str, project_id: str = PROJECT, kind: Kind = Kind.CLUSTER) -> list[Quarantine]:
    """Evidence against these, and the quarantines that are proposed of them."""
    quarantine.propose(db, project_id, [_found(*range(len(voter_ids)), kind=kind)], voter_ids)
    return list(db.scalars(quarantine.listed(project_id=project_id, status="proposed").order_by(Quarantine.voter_id)))


def _activate(db: Session, voter_id: str, *, days: int | None = None, everywhere: bool = False) -> Quarantine:
    (proposed,) = _propose(db, voter_id)
    return quarantine.activate(db, proposed.id, reason="Seen.", decided_by="ops", days=days, everywhere=everywhere)


def _changed(db: Session) -> list[str]:
    """Projects in which votes weigh otherwise, and where nobody has been told yet."""
    rows = db.execute(text("DELETE FROM outbox_events WHERE topic = 'WeightsChanged' RETURNING payload"))
    return sorted(row.payload["project_id"] for row in rows)


def _weights(db: Session, *voter_ids: str, project_id: str = PROJECT) -> list[float]:
    found: list[float] = quarantine.weights(db, project_id, voter_ids).tolist()
    return found


# What evidence proposes


def test_everybody_whom_evidence_speaks_against_is_proposed_and_told_of(db: Session) -> None:
    proposed = _propose(db, "a", "b")

    assert [(one.voter_id, one.status, one.factor, one.days) for one in proposed] == [
        ("a", "proposed", 0.1, 14),
        ("b", "proposed", 0.1, 14),
    ]
    told = db.execute(text("SELECT topic, stream, payload FROM outbox_events ORDER BY id")).all()
    assert [tuple(row) for row in told] == [
        ("EvidenceRaised", PROJECT, {"quarantine_id": one.id, "project_id": PROJECT}) for one in proposed
    ]


def test_a_proposal_changes_no_weight(db: Session) -> None:
    _propose(db, "a")

    assert _weights(db, "a", "b") == [1.0, 1.0]
    assert _changed(db) == []


def test_the_same_kind_of_evidence_is_kept_once_and_another_is_added(db: Session) -> None:
    first = _propose(db, "a")
    again = _propose(db, "a")
    more = _propose(db, "a", kind=Kind.CLICKING)

    assert first == again == more
    assert [one.kind for one in quarantine.find(db, first[0].id).evidence] == ["cluster", "clicking"]


def test_who_joins_a_group_is_proposed_with_evidence_against_all(db: Session) -> None:
    (first,) = _propose(db, "a")

    _, joined = _propose(db, "a", "b")

    (found,) = quarantine.find(db, joined.id).evidence
    assert found.voter_ids == ["a", "b"]
    assert len(quarantine.find(db, first.id).evidence) == 2


def test_who_is_in_quarantine_everywhere_is_not_proposed_elsewhere(db: Session) -> None:
    active = _activate(db, "a", everywhere=True)

    proposed = _propose(db, "a", "b", project_id=ELSEWHERE)

    assert [one.voter_id for one in proposed] == ["b"]
    assert [one.project_id for one in quarantine.find(db, active.id).evidence] == [PROJECT, ELSEWHERE]


def test_quarantine_in_one_project_is_none_in_another(db: Session) -> None:
    _activate(db, "a")

    assert [one.voter_id for one in _propose(db, "a", project_id=ELSEWHERE)] == ["a"]
    assert _weights(db, "a", project_id=ELSEWHERE) == [1.0]


def test_the_log_tells_that_there_is_something_to_decide_and_not_about_whom(db: Session) -> None:
    with capture_logs() as logged:
        quarantine.tell(db, [EvidenceRaised("qtn_1", PROJECT)])

    assert logged == [{"event": "quarantine proposed", "quarantine_id": "qtn_1", "log_level": "warning"}]


# What ops decide


def test_an_active_quarantine_lowers_the_weight_of_its_voter_alone(db: Session) -> None:
    active = _activate(db, "a")

    assert (active.status, active.reason, active.decided_by) == ("active", "Seen.", "ops")
    assert active.ends_at is not None
    assert active.decided_at is not None
    assert (active.ends_at - active.decided_at).days == 14
    assert _weights(db, "b", "a") == [1.0, 0.1]
    assert _changed(db) == [PROJECT]


def test_ops_choose_for_how_long_and_where(db: Session) -> None:
    votes.cast(db, project_id=ELSEWHERE, task_id="t1", voter_id="a", label=0)
    reliability.refit(db, ELSEWHERE, n_classes=2)

    active = _activate(db, "a", days=3, everywhere=True)

    assert active.ends_at is not None
    assert active.decided_at is not None
    assert (active.ends_at - active.decided_at).days == 3
    assert _weights(db, "a", project_id=ELSEWHERE) == [0.1]
    assert _changed(db) == [PROJECT, ELSEWHERE]


def test_a_vote_in_quarantine_tells_less_of_its_task(db: Session) -> None:
    for task in ("t1", "t2", "t3", "t4"):
        for voter in ("a", "b", "c"):
            votes.cast(db, project_id=PROJECT, task_id=task, voter_id=voter, label=int(task == "t1"))
    votes.cast(db, project_id=PROJECT, task_id="t5", voter_id="a", label=1)
    votes.cast(db, project_id=PROJECT, task_id="t5", voter_id="b", label=0)
    reliability.refit(db, PROJECT, n_classes=2)
    (before,) = consensus.weigh(db, PROJECT, ["t5"], n_classes=2)

    _activate(db, "a")
    (during,) = consensus.weigh(db, PROJECT, ["t5"], n_classes=2)

    assert during.posterior[0] > before.posterior[0]


def test_a_refit_reads_less_out_of_votes_in_quarantine_and_keeps_their_matrices(db: Session) -> None:
    for n in range(20):
        for voter, label in {"a": 1, "b": 1, "c": 0, "d": n % 2}.items():
            votes.cast(db, project_id=PROJECT, task_id=f"t{n}", voter_id=voter, label=label)
    reliability.refit(db, PROJECT, n_classes=2)
    rows = text("SELECT voter_id, reliability, confusion FROM reliability ORDER BY voter_id")
    before = {row.voter_id: row for row in db.execute(rows)}

    for voter in ("a", "b"):
        _activate(db, voter)
    reliability.refit(db, PROJECT, n_classes=2)

    during = {row.voter_id: row for row in db.execute(rows)}
    assert during["c"].reliability > before["c"].reliability
    assert [bytes(row.confusion) for row in during.values()] == [bytes(row.confusion) for row in before.values()]


def test_a_dismissed_proposal_changes_no_weight(db: Session) -> None:
    (proposed,) = _propose(db, "a")

    dismissed = quarantine.dismiss(db, proposed.id, reason="Twins.", decided_by="ops")

    assert (dismissed.status, dismissed.reason, dismissed.ends_at) == ("dismissed", "Twins.", None)
    assert (_weights(db, "a"), _changed(db)) == ([1.0], [])
    assert list(quarantine.judged_at(db, PROJECT)) == ["a"]


def test_ops_end_a_quarantine_before_its_date(db: Session) -> None:
    active = _activate(db, "a")
    _changed(db)

    ended = quarantine.end(db, active.id, reason="They explained it.", ended_by="ops")

    assert (ended.status, ended.end_reason, ended.reason) == ("ended", "They explained it.", "Seen.")
    assert (_weights(db, "a"), _changed(db)) == ([1.0], [PROJECT])
    assert list(quarantine.judged_at(db, PROJECT)) == ["a"]


_STATES: dict[str, Callable[[Session], str]] = {
    "proposed": lambda db: _propose(db, "a")[0].id,
    "active": lambda db: _activate(db, "a").id,
    "dismissed": lambda db: quarantine.dismiss(db, _propose(db, "a")[0].id, reason="No.", decided_by="ops").id,
    "ended": lambda db: quarantine.end(db, _activate(db, "a").id, reason="No.", ended_by="ops").id,
}
_MOVES: dict[str, Callable[[Session, str], Quarantine]] = {
    "activate": lambda db, one: quarantine.activate(db, one, reason="", decided_by="ops"),
    "dismiss": lambda db, one: quarantine.dismiss(db, one, reason="", decided_by="ops"),
    "end": lambda db, one: quarantine.end(db, one, reason="", ended_by="ops"),
}
_ALLOWED = {("proposed", "activate"): "active", ("proposed", "dismiss"): "dismissed", ("active", "end"): "ended"}


@pytest.mark.parametrize("state", _STATES)
@pytest.mark.parametrize("move", _MOVES)
def test_a_quarantine_is_decided_once_and_ended_once(db: Session, state: str, move: str) -> None:
    one = _STATES[state](db)

    if (state, move) in _ALLOWED:
        assert _MOVES[move](db, one).status == _ALLOWED[state, move]
    else:
        with pytest.raises(DecisionNotAllowed, match=state):
            _MOVES[move](db, one)


@pytest.mark.parametrize("move", _MOVES)
def test_what_is_no_quarantine_cannot_be_decided(db: Session, move: str) -> None:
    with pytest.raises(NotFound):
        _MOVES[move](db, ids.new("qtn"))


@pytest.mark.parametrize(
    "change",
    [
        "status = 'active'",
        "status = 'active', decided_at = now(), decided_by = 'ops', reason = ''",
        "status = 'active', decided_at = now(), ends_at = now()",
        "status = 'dismissed', decided_at = now(), decided_by = 'ops'",
        "status = 'ended', ended_at = now(), ends_at = now()",
        "status = 'banned'",
        "days = 91",
    ],
)
def test_the_tables_take_no_quarantine_without_a_person_a_reason_and_an_end(db: Session, change: str) -> None:
    _propose(db, "a")

    with pytest.raises(IntegrityError), db.begin_nested():
        db.execute(text(f"UPDATE quarantines SET {change}"))


# What time does


def test_a_quarantine_is_over_by_the_databases_clock_and_then_ended(db: Session) -> None:
    active = _activate(db, "a", days=1)
    _changed(db)

    early = quarantine.expire(db)
    age(db, "quarantines", "ends_at", 86_400)
    weights = _weights(db, "a")
    expired = [quarantine.expire(db), quarantine.expire(db)]

    db.refresh(active)
    assert (early, expired, weights) == (0, [1, 0], [1.0])
    assert (active.status, active.ended_by, active.end_reason) == ("ended", None, None)
    assert _changed(db) == [PROJECT]


# What ops see


def test_lists_are_narrowed_by_what_is_asked(db: Session) -> None:
    _activate(db, "a")
    _propose(db, "b", project_id=ELSEWHERE, kind=Kind.CLICKING)
    page = pagination.PageRequest(10)

    def found(**wanted: str) -> list[str]:
        return [one.voter_id for one in db.scalars(quarantine.listed(**wanted))]

    def evidence(**wanted: str) -> list[list[str]]:
        return [one.voter_ids for one in quarantine.evidence_page(db, page, **wanted).items]

    assert (found(status="active"), found(voter_id="b"), found(project_id=ELSEWHERE)) == (["a"], ["b"], ["b"])
    assert (evidence(), evidence(kind="cluster")) == ([["b"], ["a"]], [["a"]])
    assert (evidence(voter_id="b"), evidence(project_id=PROJECT)) == ([["b"]], [["a"]])


def test_gauges_count_what_waits_and_what_holds(db: Session) -> None:
    _activate(db, "a")
    _propose(db, "b", "c", project_id=ELSEWHERE)

    assert [gauge.value for gauge in quarantine.gauges(db)] == [2, 1]
