"""Versions of ladders: what is proposed holds nobody, what a preview says happens, and every move names its version."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import Invalid, NotFound
from foundation.jobs import run_steps
from payments.four_eyes import SamePerson
from tests import factories
from tests.workforce.test_tiers import check
from workforce import ladder_versions, ladders, overrides, places
from workforce.ladder_versions import NoSuchLadder, VersionConfirmed, VersionSuperseded
from workforce.models import LadderRule, Worker

SKILL = factories.SKILL
FIELDS = ("name", "evidence", "reach", "keep", "cool_down_days", "decay_days")


def steps(**of_novice: Any) -> list[dict[str, Any]]:
    """The default ladder, with another first step."""
    found = [{name: getattr(step, name) for name in FIELDS} for step in ladders.DEFAULT.steps]
    found[1] |= of_novice
    return found


def _propose(db: Session, skill: str = SKILL, **of_novice: Any) -> LadderRule:
    made = steps(**(of_novice or {"reach": 0.9, "keep": 0.9}))
    return ladder_versions.propose(db, skill, steps=made, reason="Too many err.", proposed_by="ada")


def _approve(db: Session, made: LadderRule) -> None:
    ladder_versions.approve(db, made.id, approved_by="bob")
    run_steps(db, ladder_versions.roll_out(db))


def _tier(db: Session, worker: Worker) -> int:
    return next((place.tier for place in places.of_worker(db, worker.id)), 1)


def _crowd(db: Session) -> tuple[Worker, Worker]:
    """One who is right on one of four answers, which is kept by the default ladder, and one who is always right."""
    project = factories.create_gold_project(db)
    fair, good = factories.create_worker(db), factories.create_worker(db)
    check(db, project, fair, True, False, False, False)
    check(db, project, good, *[True] * 6)
    return fair, good


def _foreseen(db: Session, made: LadderRule) -> list[tuple[str, int, int]]:
    page = ladder_versions.page(db, made.id, pagination.PageRequest(200))
    return [(one.worker_id, one.tier_from, one.tier_to) for one in page.items]


def test_what_is_proposed_moves_nobody_and_its_preview_says_whom_it_would(db: Session) -> None:
    fair, _ = _crowd(db)

    made = _propose(db)

    found = ladder_versions.preview(db, made.id)
    assert (found.people, found.complete) == (2, True)
    assert found.moves == [{"tier_from": 1, "tier_to": 0, "cause": "demotion", "workers": 1}]
    (line,) = ladder_versions.page(db, made.id, pagination.PageRequest(5)).items
    assert (line.worker_id, line.skill, line.tier_from, line.tier_to) == (fair.id, SKILL, 1, 0)
    assert f"by version 1 of the ladder of {SKILL}" in line.reason
    assert (made.state, ladders.in_force(db, SKILL).id, _tier(db, fair)) == ("proposed", ladders.DEFAULT.id, 1)


def test_what_another_person_confirms_moves_just_those_of_the_preview(db: Session) -> None:
    fair, good = _crowd(db)
    made = _propose(db)
    said = _foreseen(db, made)

    _approve(db, made)

    assert said == [(fair.id, 1, 0)]
    assert (_tier(db, fair), _tier(db, good)) == (0, 1)
    (move,) = places.moves(db, fair.id, pagination.PageRequest(5)).items
    assert (move.rule_id, move.cause) == (made.id, "demotion")
    assert (made.state, made.looked_at is None) == ("confirmed", False)
    assert _foreseen(db, made) == []


def test_whoever_proposed_a_version_does_not_confirm_it(db: Session) -> None:
    made = _propose(db)

    with pytest.raises(SamePerson):
        ladder_versions.approve(db, made.id, approved_by="ada")


def test_a_version_is_confirmed_once_and_not_after_a_later_one(db: Session) -> None:
    first, second = _propose(db), _propose(db)
    assert (first.version, second.version) == (1, 2)
    _approve(db, second)

    with pytest.raises(VersionConfirmed):
        ladder_versions.approve(db, second.id, approved_by="bob")
    with pytest.raises(VersionSuperseded):
        ladder_versions.approve(db, first.id, approved_by="bob")
    with pytest.raises(NoSuchLadder):
        ladder_versions.approve(db, ids.new("lad"), approved_by="bob")


def test_versions_stay_as_they_were_and_can_be_read(db: Session) -> None:
    first = _propose(db, keep=0.5)
    _approve(db, first)
    _approve(db, _propose(db, keep=0.6))

    assert ladder_versions.find(db, first.id).steps[1].keep == 0.5
    assert ladders.in_force(db, SKILL).steps[1].keep == 0.6
    assert ladder_versions.find(db, first.id, confirmed=True).version == 1
    with pytest.raises(NoSuchLadder):
        ladder_versions.find(db, _propose(db).id, confirmed=True)


def test_a_ladder_is_for_a_skill_and_what_is_below_it_up_to_the_next_ladder(db: Session) -> None:
    worker = factories.create_worker(db)
    for skill in ("image", "image.birds", "image.birds.crows", "imagery"):
        project = factories.create_gold_project(db, skill=skill)
        check(db, project, worker, True, False, False, False)
    _approve(db, _propose(db, "image.birds", keep=0.1))

    made = _propose(db, "image")

    assert [one.skill for one in ladder_versions.page(db, made.id, pagination.PageRequest(9)).items] == ["image"]
    above = ladder_versions.page(db, _propose(db, "ALL").id, pagination.PageRequest(9))
    assert [one.skill for one in above.items] == ["image", "imagery"]


def test_whom_an_override_keeps_where_they_are_is_not_moved(db: Session) -> None:
    fair, _ = _crowd(db)
    kept = overrides.propose(db, fair.id, skill=SKILL, tier=2, reason="A talk.", days=9, proposed_by="ada")
    overrides.approve(db, kept.id, approved_by="bob")
    made = _propose(db)

    assert _foreseen(db, made) == []
    _approve(db, made)
    assert _tier(db, fair) == 2


def test_pages_and_the_rolling_out_go_on_where_they_were(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder_versions, "PAGE_PEOPLE_MAX", 2)
    monkeypatch.setattr(ladder_versions, "_MOVED_AT_ONCE", 1)
    project = factories.create_gold_project(db)
    workers = [factories.create_worker(db) for _ in range(5)]
    for worker in workers:
        check(db, project, worker, True, False, False, False)
    made = _propose(db)

    found, after = [], None
    for _ in range(9):
        page = ladder_versions.page(db, made.id, pagination.PageRequest(2, after))
        found += [one.worker_id for one in page.items]
        after = page.last
        if after is None:
            break

    assert found == sorted(worker.id for worker in workers)
    ladder_versions.approve(db, made.id, approved_by="bob")
    # One step for each of them, one that finds nobody is left.
    assert run_steps(db, ladder_versions.roll_out(db)) == 6
    assert {_tier(db, worker) for worker in workers} == {0}


def test_a_preview_that_is_not_of_everybody_says_so(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder_versions, "PEOPLE_MAX", 1)
    _crowd(db)

    assert ladder_versions.preview(db, _propose(db).id).complete is False


@pytest.mark.parametrize(
    ("tier", "changes", "pointer"),
    [
        (0, {"reach": 0.5}, "/steps/0/reach"),
        (0, {"keep": 0.5}, "/steps/0/keep"),
        (1, {"decay_days": 9}, "/steps/1/decay_days"),
        (3, {"reach": 0.7, "keep": 0.71}, "/steps/3/keep"),
    ],
)
def test_steps_that_contradict_each_other_are_refused(
    db: Session, tier: int, changes: dict[str, Any], pointer: str
) -> None:
    given = steps()
    given[tier] |= changes

    with pytest.raises(Invalid) as refused:
        ladder_versions.propose(db, SKILL, steps=given, reason="", proposed_by="ada")

    assert [error["pointer"] for error in refused.value.errors] == [pointer]
    assert db.scalar(text("SELECT count(*) FROM ladder_rules")) == 1


def test_what_can_be_no_skill_has_no_ladder_of_its_own(db: Session) -> None:
    with pytest.raises(NotFound):
        _propose(db, "Image")


def test_the_whole_trip_over_http(client: FlaskClient, db: Session, token: Callable[..., str]) -> None:
    fair, _ = _crowd(db)
    db.commit()
    ada, bob = ({"Authorization": f"Bearer {token('ops', name)}"} for name in ("ada", "bob"))
    me = {"Authorization": f"Bearer {token('worker', fair.id)}"}
    asked = steps(reach=0.9, keep=0.9)
    sent = [{name: value for name, value in step.items() if value is not None} for step in asked]
    body: dict[str, Any] = {"reason": "Too many err.", "steps": sent}

    made = client.post(f"/api/ladders/{SKILL}/versions", json=body, headers=ada)
    address = f"/api/ladder-versions/{made.get_json()['id']}"
    hidden = client.get(address, headers=me)
    preview = client.get(f"{address}/preview", headers=bob).get_json()
    (named,) = client.get(f"{address}/moves", headers=bob).get_json()["items"]
    mine = client.post(f"{address}/approval", headers=ada)
    done = client.post(f"{address}/approval", headers=bob)
    read = client.get(address, headers=me).get_json()
    (listed,) = client.get(f"/api/ladders/{SKILL}/versions", headers=bob).get_json()["items"]
    short = client.post(f"/api/ladders/{SKILL}/versions", json={**body, "steps": body["steps"][:4]}, headers=ada)

    assert (made.status_code, made.get_json()["state"], hidden.status_code) == (201, "proposed", 404)
    assert preview["moves"] == [{"tier_from": 1, "tier_to": 0, "cause": "demotion", "workers": 1}]
    assert named["worker_id"] == fair.id
    assert (mine.status_code, done.status_code, done.get_json()["state"]) == (409, 200, "confirmed")
    assert (read["version"], read["steps"][1]["keep"], listed["id"]) == (1, 0.9, read["id"])
    assert (short.status_code, short.get_json()["errors"][0]["pointer"]) == (422, "/steps")
