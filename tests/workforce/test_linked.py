"""Linked accounts: who counts as one, that a task gets one answer of them, and that nobody decides about themselves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import auth
from foundation.errors import Invalid
from foundation.pagination import PageRequest
from payments.events import DestinationShared
from tests import factories
from tests.conftest import House, age, held_up
from workforce import appeals, assignment, available, checks, linked, overrides, own_data, rejections, why_nothing
from workforce.assignment import LeaseTaken
from workforce.linked import AlreadyLinked, LinkedToYou, LinkOver, NoSuchLink
from workforce.models import AccountLink, Kind, Project, Worker


def _link(db: Session, one: Worker, other: Worker | str, **said: Any) -> AccountLink:
    given: dict[str, Any] = {"kind": "device", "evidence": "One telephone.", "recorded_by": "ada", **said}
    return linked.declare(db, one.id, other if isinstance(other, str) else other.id, **given)


def _mates(db: Session, n: int = 2, **made: Any) -> list[Worker]:
    workers = [factories.create_worker(db, **made) for _ in range(n)]
    for one, other in pairwise(workers):
        _link(db, one, other)
    return workers


def _cluster(db: Session, worker: Worker) -> str | None:
    return db.scalars(select(Worker.cluster_id).where(Worker.id == worker.id)).one()


def _tasks(db: Session, n: int = 1, **chosen: Any) -> Project:
    project = factories.create_project(db, overlap_min=3, **chosen)
    for _ in range(n):
        factories.create_task(db, project)
    return project


# Clusters


def test_all_who_are_linked_each_to_the_next_are_one_cluster(db: Session, books: None) -> None:
    one, two, three = _mates(db, 3)
    alone = factories.create_worker(db)

    assert _cluster(db, one) == _cluster(db, two) == _cluster(db, three) is not None
    assert _cluster(db, alone) is None
    assert linked.mates(db, two.id) == sorted([one.id, two.id, three.id])
    assert linked.mates(db, alone.id) == [alone.id]


def test_a_cluster_falls_apart_where_its_last_link_is_taken_back(db: Session, books: None) -> None:
    one, two, three = (factories.create_worker(db) for _ in range(3))
    first, second = _link(db, one, two), _link(db, one, two, kind="document")
    _link(db, two, three)
    before = _cluster(db, one)

    linked.withdraw(db, first.id, reason="Another telephone.", withdrawn_by="bob")
    assert _cluster(db, one) == _cluster(db, two)

    linked.withdraw(db, second.id, reason="Another passport.", withdrawn_by="bob")
    assert _cluster(db, one) is None
    assert _cluster(db, two) == _cluster(db, three) not in {None, before}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=12))
def test_clusters_are_what_the_links_that_stand_make_of_them(db: Session, acts: list[tuple[int, int, bool]]) -> None:
    workers = [factories.create_worker(db) for _ in range(6)]
    links: dict[frozenset[int], AccountLink] = {}
    for one, other, is_made in acts:
        pair = frozenset({one, other})
        if is_made and len(pair) == 2 and pair not in links:
            links[pair] = _link(db, workers[one], workers[other])
        elif not is_made and pair in links:
            linked.withdraw(db, links.pop(pair).id, reason="Not so.", withdrawn_by="bob")

    groups = [{at} for at in range(6)]
    for pair in links:
        met = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair] + [set().union(*met)]

    for group in groups:
        found = {_cluster(db, workers[at]) for at in group}
        assert (len(found), None in found) == (1, len(group) == 1)
        for at in group:
            assert linked.mates(db, workers[at].id) == sorted(workers[other].id for other in group)
    assert [row for rows in checks.check(db).values() for row in rows] == []


def test_a_link_is_made_once_and_taken_back_once(db: Session) -> None:
    one, other = factories.create_worker(db), factories.create_worker(db)
    made = _link(db, one, other)

    with pytest.raises(AlreadyLinked):
        _link(db, other, one)
    linked.withdraw(db, made.id, reason="A family.", withdrawn_by="bob")
    with pytest.raises(LinkOver):
        linked.withdraw(db, made.id, reason="A family.", withdrawn_by="bob")
    with pytest.raises(NoSuchLink):
        linked.withdraw(db, "lnk_1", reason="A family.", withdrawn_by="bob")
    assert _link(db, other, one).id != made.id


def test_only_accounts_that_are_there_are_linked_and_none_with_itself(db: Session) -> None:
    worker = factories.create_worker(db)

    for other in ("wrk_1", "nobody", worker.payee_id, factories.create_requester(db, funds=None).id, worker.id):
        with pytest.raises(Invalid):
            _link(db, worker, other)


# Claims


def test_a_task_that_one_of_a_cluster_holds_or_has_answered_goes_to_others(db: Session, books: None) -> None:
    project = _tasks(db, 2)
    one, other = _mates(db)
    factories.answer(db, one, project=project)
    held = factories.claim(db, one)

    assert assignment.claim(db, other.id) is None
    assert assignment.claim(db, factories.create_worker(db).id) is not None
    assignment.release(db, one.id, held.id, fence=held.fence)
    assert factories.claim(db, other).task_id == held.task_id


def test_several_are_claimed_without_those_of_the_cluster(db: Session, books: None) -> None:
    _tasks(db, 4)
    one, other = _mates(db)
    first = factories.claim(db, one)

    rest = assignment.claim_several(db, other.id, count=4)

    assert len(rest) == 3
    assert first.task_id not in {lease.task_id for lease in rest}


def test_an_expert_does_not_decide_what_one_of_their_cluster_has_answered(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    party = db.scalars(text("SELECT worker_id FROM answers WHERE task_id = :id LIMIT 1"), {"id": task.id}).one()
    expert, other = factories.create_worker(db, tier=4), factories.create_worker(db, tier=4)
    _link(db, expert, party)

    assert assignment.claim(db, expert.id, project_id=project.id, kind=Kind.ADJUDICATION) is None
    assert assignment.claim(db, other.id, project_id=project.id, kind=Kind.ADJUDICATION) is not None


def test_a_gold_that_one_has_met_comes_to_none_of_their_cluster(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    for _ in range(2):
        factories.create_task(db, project)
    gold = factories.create_gold(db, project)
    one, other = _mates(db)
    for worker in (one, other, factories.create_worker(db)):
        for _ in range(2):
            assignment.claim(db, worker.id)

    met = db.scalars(text("SELECT worker_id FROM assignments WHERE task_id = :id"), {"id": gold.task_id}).all()

    assert other.id not in met
    assert len(met) == 2


def test_a_late_answer_does_not_count_beside_one_of_the_cluster(db: Session, books: None) -> None:
    _tasks(db)
    one, other = _mates(db)
    late = factories.claim(db, one)
    age(db, "assignments", "lease_expires_at", 86_400)
    assignment.expire(db)
    factories.submit(db, other, factories.claim(db, other))

    with pytest.raises(LeaseTaken), db.begin_nested():
        factories.submit(db, one, late)


def test_who_were_linked_after_both_had_answered_lose_nothing_and_ops_are_told(db: Session, books: None) -> None:
    project = _tasks(db, 2)
    one, other = factories.create_worker(db), factories.create_worker(db)
    lease = factories.claim(db, one, project)
    factories.answer(db, other, project=project)

    assert _link(db, one, other).n_shared == 0
    assert factories.submit(db, one, lease).status == "submitted"

    factories.answer(db, third := factories.create_worker(db), project=project)
    assert _link(db, one, third).n_shared == 1


def test_who_are_two_again_may_answer_what_was_behind_them(db: Session, books: None) -> None:
    project = _tasks(db, 3)
    one, other = factories.create_worker(db), factories.create_worker(db)
    link = _link(db, one, other)
    theirs = factories.claim(db, one)
    factories.answer(db, other, project=project)
    factories.answer(db, other, project=project)
    assert assignment.claim(db, other.id) is None

    linked.withdraw(db, link.id, reason="A family.", withdrawn_by="bob")

    assert factories.claim(db, other).task_id == theirs.task_id


def test_what_a_worker_sees_counts_the_rule_too(db: Session) -> None:
    _tasks(db, 2)
    one, other = _mates(db)
    factories.claim(db, one)

    why = why_nothing.ask(db, other.id)
    (work,) = available.work(db, other.id, PageRequest(10)).items

    assert ([(each.rule.value, each.tasks) for each in why.removed], why.claimable) == ([("linked", 1)], 1)
    assert work.tasks == 1


def test_a_claim_that_waited_while_it_was_linked_goes_by_nothing_that_is_over(house: House) -> None:
    with house.sessions() as db:
        _tasks(db)
        one, other = factories.create_worker(db), factories.create_worker(db)
        db.commit()
    with house.sessions() as db:
        _link(db, one, other)
        factories.claim(db, one)
        with held_up(house, lambda held: assignment.claim(held, other.id)) as claiming:
            db.commit()
            assert claiming.result(10) is None


def test_two_of_a_cluster_who_claim_at_once_never_get_one_task(house: House) -> None:
    with house.sessions() as db:
        _tasks(db, 30)
        mates = _mates(db, 4)
        db.commit()
    ready = threading.Barrier(4)

    def work(worker: Worker) -> list[str]:
        ready.wait()
        found = list[str]()
        while True:
            with house.sessions() as db:
                lease = assignment.claim(db, worker.id)
                if lease is None:
                    return found
                found.append(lease.task_id)
                factories.submit(db, worker, lease)
                db.commit()

    with ThreadPoolExecutor(4) as pool:
        answered = [task for tasks in pool.map(work, mates) for task in tasks]

    assert len(answered) == len(set(answered)) == 30


# Where links come from


def test_workers_who_are_paid_to_one_account_are_linked_until_ops_say_no(db: Session) -> None:
    workers = [factories.create_worker(db) for _ in range(3)]
    told = DestinationShared("pym_1", sorted(worker.payee_id for worker in workers))

    linked.note_shared(db, [told, told])
    links = db.scalars(linked.listed(kind="bank")).all()
    assert len(links) == 2
    assert len({_cluster(db, worker) for worker in workers} - {None}) == 1

    for link in links:
        linked.withdraw(db, link.id, reason="A family.", withdrawn_by="bob")
    linked.note_shared(db, [told])
    assert db.scalars(linked.listed(is_open=True)).all() == []


# Who decides


def test_nobody_decides_about_an_account_that_counts_as_theirs(db: Session, books: None) -> None:
    worker, mate = _mates(db)
    auth.issue(db, role="ops", subject_id="carol")
    link = _link(db, mate, "carol", kind="declared")
    wanted: dict[str, Any] = {"skill": "lang.sw", "tier": 2, "reason": "Born there.", "days": 9}

    with pytest.raises(LinkedToYou):
        overrides.propose(db, worker.id, **wanted, proposed_by="carol")
    made = overrides.propose(db, worker.id, **wanted, proposed_by="ada")
    with pytest.raises(LinkedToYou):
        overrides.approve(db, made.id, approved_by="carol")
    with pytest.raises(LinkedToYou):
        linked.withdraw(db, link.id, reason="Not me.", withdrawn_by="carol")
    assert linked.mates(db, mate.id) == sorted([worker.id, mate.id])


def test_nobody_decides_the_appeal_of_an_account_that_counts_as_theirs(db: Session, books: None) -> None:
    once: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}
    project = factories.create_project(db, **once, acceptance="by_requester")
    factories.create_task(db, project)
    (answer,) = factories.answer_all(db, project, "rook")
    factories.settle(db)
    rejections.reject(db, project, answer.id, reason="copied", evidence="Word for word.", decided_by="tok_1")
    made = appeals.appeal(db, answer.worker_id, answer.id, grounds="My own words.")
    auth.issue(db, role="ops", subject_id="carol")
    _link(db, db.get_one(Worker, answer.worker_id), "carol")

    with pytest.raises(LinkedToYou):
        appeals.uphold(db, made.id, decision="Right.", decided_by="carol")
    assert appeals.uphold(db, made.id, decision="Right.", decided_by="ada").state == "upheld"


def test_a_worker_is_told_that_they_are_linked_and_not_with_whom(db: Session) -> None:
    one, other = _mates(db)

    with own_data.export(db, one.id) as file:
        told = file.read().decode()

    assert '"kind": "device"' in told
    assert other.id not in told
    assert "telephone" not in told


# Over HTTP


def test_ops_link_and_unlink(client: FlaskClient, token: Any, db: Session) -> None:
    one, other = factories.create_worker(db), factories.create_worker(db)
    token("ops", "carol")
    db.commit()
    ops: Any = {"Authorization": f"Bearer {token('ops')}"}
    body = {"one_ref": other.id, "other_ref": one.id, "kind": "declared", "evidence": "They said so."}

    made = client.post("/api/account-links", headers=ops, json=body).get_json()
    twice = client.post("/api/account-links", headers=ops, json=body)
    staff = client.post("/api/account-links", headers=ops, json={**body, "one_ref": "carol"}).get_json()
    listed = client.get(f"/api/account-links?worker_id={one.id}", headers=ops).get_json()["items"]
    (cluster,) = client.get(f"/api/account-clusters?worker_id={one.id}", headers=ops).get_json()["items"]
    ended = client.post(f"/api/account-links/{made['id']}/withdrawal", headers=ops, json={"reason": "No."})

    assert {made["one"], made["other"]} == {one.id, other.id}
    assert (twice.status_code, twice.get_json()["type"]) == (409, "/problems/already-linked")
    assert {staff["one"], staff["other"]} == {one.id, "staff"}
    assert {each["id"] for each in listed} == {made["id"], staff["id"]}
    assert cluster["worker_ids"] == sorted([one.id, other.id])
    assert (ended.status_code, ended.get_json()["reason"]) == (200, "No.")
    assert client.get("/api/account-clusters", headers=ops).get_json()["items"] == []
