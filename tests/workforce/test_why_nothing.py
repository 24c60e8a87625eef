"""Why a worker is given nothing: each rule's tasks, what stays hidden, and that the sums are those of the tables."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from payments.rates import Price
from tests import factories
from workforce import assignment, pools, projects, why_nothing
from workforce.assignment import LEASES_MAX
from workforce.models import Kind, Pool, Project, Worker, WorkerStatus
from workforce.why_nothing import Rule


def _removed(db: Session, worker: Worker, **wanted: Any) -> dict[str, int]:
    return {one.rule.value: one.tasks for one in why_nothing.ask(db, worker.id, **wanted).removed}


def _project(db: Session, n_tasks: int = 2, **chosen: Any) -> Project:
    project = factories.create_project(db, **chosen)
    for _ in range(n_tasks):
        factories.create_task(db, project)
    return project


def test_where_there_is_nothing_nothing_is_removed(db: Session) -> None:
    why = why_nothing.ask(db, factories.create_worker(db).id)

    assert (why.claimable, why.removed, why.is_complete) == (0, [], True)


def test_what_may_be_claimed_is_not_removed(db: Session) -> None:
    _project(db)

    why = why_nothing.ask(db, factories.create_worker(db).id)

    assert (why.claimable, why.removed) == (2, [])


def test_tasks_of_a_paused_project(db: Session) -> None:
    _project(db)
    db.execute(text("UPDATE projects SET status = 'paused'"))

    assert _removed(db, factories.create_worker(db)) == {"paused": 2}


def test_tasks_for_higher_tiers(db: Session) -> None:
    _project(db, tier_min=2)

    assert _removed(db, factories.create_worker(db)) == {"tier": 2}
    assert _removed(db, factories.create_worker(db, tier=2)) == {}


def test_tasks_without_a_price(db: Session) -> None:
    requester, prices = factories.create_requester(db), [Price(tier=3, amount="0.20", currency="USD")]
    chosen = projects.Settings(labels=["a", "b"])
    project = projects.create(db, requester_id=requester.id, name="dear", settings=chosen, prices=prices)
    factories.create_task(db, project)

    assert _removed(db, factories.create_worker(db)) == {"price": 1}


def test_tasks_that_one_holds_or_has_answered(db: Session) -> None:
    _project(db, n_tasks=3)
    worker = factories.create_worker(db)
    factories.answer(db, worker)
    factories.claim(db, worker)

    assert _removed(db, worker) == {"yours": 2}


def test_tasks_whose_slots_are_all_taken(db: Session) -> None:
    _project(db, n_tasks=1, overlap_min=1)
    factories.claim(db, factories.create_worker(db))

    assert _removed(db, factories.create_worker(db)) == {"taken": 1}


def test_tasks_that_are_kept_for_others(db: Session) -> None:
    _project(db, n_tasks=1)
    db.execute(text("UPDATE tasks SET kept_until = now() + interval '1 minute', kept_for = '{somebody}'"))

    assert _removed(db, factories.create_worker(db)) == {"kept": 1}


def test_disputes_wait_for_experts_and_not_for_who_took_part(db: Session) -> None:
    factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)

    assert _removed(db, factories.create_worker(db)) == {"experts": 1}
    assert why_nothing.ask(db, expert.id).claimable == 1
    factories.claim(db, expert)
    assert _removed(db, expert) == {"yours": 1}
    assert _removed(db, factories.create_worker(db, tier=4)) == {"taken": 1}


def test_who_holds_as_much_as_one_may_is_kept_from_the_rest(db: Session) -> None:
    _project(db, LEASES_MAX + 2, overlap_min=1, overlap_max=1)
    worker = factories.create_worker(db)
    for _ in range(LEASES_MAX):
        factories.claim(db, worker)

    assert _removed(db, worker) == {"yours": LEASES_MAX, "leases": 2}


@pytest.mark.parametrize("status", [WorkerStatus.APPLICANT, WorkerStatus.SUSPENDED])
def test_who_is_not_active_is_kept_from_everything(db: Session, status: WorkerStatus) -> None:
    _project(db)

    assert _removed(db, factories.create_worker(db, status=status)) == {"status": 2}


HIDDEN: dict[str, dict[str, Any]] = {
    "pool": {"pools": [Pool.VENDOR]},
    "country": {"countries": ["DE"]},
    "language": {"languages": ["de"]},
}


@pytest.mark.parametrize("rule", HIDDEN)
def test_what_is_hidden_is_counted_for_ops_alone(db: Session, rule: str) -> None:
    project = _project(db, **HIDDEN[rule])
    worker = factories.create_worker(db)

    why = why_nothing.ask(db, worker.id, with_hidden=True)

    assert _removed(db, worker) == _removed(db, worker, project_id=project.id) == {}
    assert [(one.project_id, one.rule, one.tasks) for one in why.projects] == [(project.id, Rule(rule), 2)]


def test_gold_is_never_counted(db: Session) -> None:
    project = factories.create_gold_project(db)
    factories.create_task(db, project)
    factories.create_gold(db, project)
    worker = factories.create_worker(db)
    factories.claim(db, worker)

    why = why_nothing.ask(db, worker.id)

    assert why.claimable + sum(one.tasks for one in why.removed) == 1


def test_so_many_tasks_are_counted_and_no_more(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_nothing, "_TASKS_MOST", 6)
    monkeypatch.setattr(why_nothing, "_EACH_LEAST", 2)
    project = _project(db, n_tasks=2)
    worker = factories.create_worker(db)
    at_the_bound = why_nothing.ask(db, worker.id)
    factories.create_task(db, project)

    beyond = why_nothing.ask(db, worker.id)

    assert (at_the_bound.claimable, at_the_bound.is_complete) == (2, False)
    assert (beyond.claimable, beyond.is_complete) == (2, False)


def test_nobody_is_told_who_is_no_worker(db: Session) -> None:
    with pytest.raises(NotFound):
        why_nothing.ask(db, ids.new("wrk"))


_PROJECT = st.fixed_dictionaries(
    {
        "tier_min": st.integers(0, 3),
        "pools": st.lists(st.sampled_from(list(Pool)), unique=True, max_size=2),
        "countries": st.sampled_from([[], ["KE"], ["DE"]]),
    }
)


@given(
    wanted=st.lists(st.tuples(_PROJECT, st.integers(1, 3), st.booleans()), max_size=4),
    tier=st.integers(0, 4),
    claims=st.integers(0, 4),
)
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_each_open_task_counts_once_and_what_is_left_can_be_claimed(
    db: Session, wanted: list[tuple[dict[str, Any], int, bool]], tier: int, claims: int
) -> None:
    with db.begin_nested() as scene:
        for chosen, n_tasks, is_paused in wanted:
            project = _project(db, n_tasks, overlap_min=1, **chosen)
            if is_paused:
                db.execute(text("UPDATE projects SET status = 'paused' WHERE id = :id"), {"id": project.id})
        worker, other = factories.create_worker(db, tier=tier), factories.create_worker(db)
        pools.put(db, worker.id, [Pool.VENDOR], put_by="ops")
        for n in range(claims):
            assignment.claim(db, (worker, other)[n % 2].id)

        why = why_nothing.ask(db, worker.id, with_hidden=True)
        shown = why_nothing.ask(db, worker.id)
        given = 0
        while assignment.claim(db, worker.id, kind=Kind.ANSWER) is not None:
            given += 1

        assert why.claimable == shown.claimable == given
        assert why.claimable + sum(one.tasks for one in why.removed) == sum(n for _, n, _ in wanted)
        assert sum(one.tasks for one in why.projects) == sum(one.tasks for one in why.removed)
        assert not {one.rule for one in shown.removed} & {Rule.POOL, Rule.COUNTRY, Rule.LANGUAGE}
        scene.rollback()


# Over HTTP


Token = Callable[..., str]


def test_a_hidden_project_is_told_of_as_one_that_is_not_there(client: FlaskClient, db: Session, token: Token) -> None:
    hidden = _project(db, pools=[Pool.VENDOR])
    worker = factories.create_worker(db)
    db.commit()
    header = {"Authorization": f"Bearer {token('worker', worker.id)}"}

    answers = {
        client.get(f"/api/me/why-nothing?project_id={project_id}", headers=header).data
        for project_id in (hidden.id, ids.new("prj"))
    }

    assert len(answers) == 1
    assert client.get("/api/me/available-work", headers=header).get_json()["items"] == []


def test_ops_see_which_project_it_is(client: FlaskClient, db: Session, token: Token) -> None:
    hidden = _project(db, pools=[Pool.VENDOR])
    worker = factories.create_worker(db)
    db.commit()
    header = {"Authorization": f"Bearer {token('ops')}"}

    told = client.get(f"/api/workers/{worker.id}/why-nothing", headers=header).get_json()

    assert told["removed"] == [{"rule": "pool", "tasks": 2, "says": "The project is for other pools."}]
    assert told["projects"] == [{"project_id": hidden.id, "rule": "pool", "tasks": 2}]
