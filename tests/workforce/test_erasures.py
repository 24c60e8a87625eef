"""What a worker takes along, and what is left of them when they are forgotten."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, ids
from foundation.auth import TokenRefused
from foundation.errors import NotFound
from payments import contacts, methods
from tests import factories
from workforce import consents, erasures, identity, invitations, messages, onboarding, own_data, profiles, suspensions
from workforce.erasures import ErasureDecided, ErasureRequested, StillOwed
from workforce.messages import News
from workforce.models import Worker

_NAME, _MAIL = "Wanjiru Kamau", "wanjiru.kamau@example.com"


def _person(db: Session) -> tuple[Worker, str]:
    """Somebody who came by invitation and has said all that there is to say; with their token."""
    asked = invitations.invite(db, email=_MAIL, role="worker", activates=False, made_by="ops")
    came = invitations.accept(db, secret=factories.secret_about(db, asked.id), name=_NAME, country="KE")
    worker = onboarding.find(db, came.subject_id)
    profiles.say(
        db, worker.id, languages={"sw": "native"}, skills=["image"], device_class="phone", payout_region="KE"
    )  # fmt: skip
    consents.give(db, worker.id, version=consents.publish(db, words="Be kind.", published_by="ops").version)
    check = identity.request(db, worker.id)
    identity.decide(db, check.id, state="refused", reason=f"{_NAME} is blurred.", decided_by="ops")
    suspensions.reinstate(db, worker.id)
    suspensions.suspend(db, [worker.id], hours=1, reason="Two in one.", made_by="ops")
    suspensions.reinstate(db, worker.id)
    messages.tell(db, "tier_moved", [News(worker.id, "1", {"skill": "image", "tier": 2, "reason": _NAME})])
    messages.choose(db, worker.id, kind="tier_moved", by_mail=True)
    given = {"email": _MAIL}
    methods.choose(db, worker.payee_id, rail="paypal", kind="email", given=given, set_by=worker.id)
    return worker, came.token


def _answered(db: Session, worker: Worker) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
    factories.create_task(db, project)
    factories.answer(db, worker, project=project)
    factories.settle(db)


def _everything(db: Session) -> str:
    """All text of all tables."""
    tables = db.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    return "".join(str(db.execute(text(f"SELECT t::text FROM {table} t")).all()) for table in tables)


def test_a_worker_takes_all_that_is_kept_about_them(db: Session) -> None:
    ada, _ = _person(db)
    _answered(db, ada)

    with own_data.export(db, ada.id) as file:
        kept = json.load(file)

    [profile] = kept["profile"]
    assert (profile["name"], profile["country"], profile["device_class"]) == (_NAME, "KE", "phone")
    assert [one["language"] for one in kept["languages"]] == ["sw"]
    assert [one["payload"] for one in kept["answers"]] == [{"category": "rook"}]
    assert [(one["amount"], one["status"]) for one in kept["earnings"]] == [("0.0200", "due")]
    assert [one["masked"] for one in kept["contacts"]] == ["w***@example.com"]
    assert [one["state"] for one in kept["identity_checks"]] == ["refused"]
    assert [one["version"] for one in kept["consents"]] == [1]
    assert {one["kind"] for one in kept["messages"]} == {"tier_moved", "suspended", "reinstated"}
    for section in ("pools", "tiers", "tier_moves", "suspensions", "tokens", "payout_methods", "payouts", "erasures"):
        assert section in kept
    assert _MAIL not in json.dumps(kept)
    assert '"rk_' not in json.dumps(kept)


def test_nothing_of_others_is_in_it(db: Session) -> None:
    ada, _ = _person(db)
    _answered(db, ada)
    ben = factories.create_worker(db)

    with own_data.export(db, ben.id) as file:
        kept = json.load(file)

    assert [one["id"] for one in kept.pop("profile")] == [ben.id]
    assert len(kept.pop("tokens")) == 1
    assert {name: rows for name, rows in kept.items() if rows} == {}


def test_who_somebody_was_is_gone_and_what_they_did_stays(db: Session, books: None) -> None:
    ada, secret = _person(db)
    wish = erasures.request(db, ada.id)

    erasures.confirm(db, wish.id, confirmed_by="ops")

    db.flush()
    left = _everything(db)
    assert _NAME not in left
    assert _MAIL not in left
    assert (ada.name, ada.status, wish.state) == ("Erased", "offboarded", "done")
    assert db.scalar(text("SELECT count(*) FROM consents")) == 1
    assert contacts.known(db, ada.payee_id) == []
    assert methods.active(db, ada.payee_id) is None
    with pytest.raises(TokenRefused):
        auth.authenticate(db, f"Bearer {secret}")


def test_answers_stay_under_an_id_that_tells_nothing(db: Session, books: None) -> None:
    ada, _ = _person(db)
    _answered(db, ada)
    db.execute(text("UPDATE earnings SET status = 'paid', paid = amount"))
    wish = erasures.request(db, ada.id)

    with db.begin_nested() as undone:
        erasures.confirm(db, wish.id, confirmed_by="ops")
        rows = db.execute(text("SELECT worker_id FROM answers WHERE worker_id = :id"), {"id": ada.id}).all()
        assert len(rows) == 1
        undone.rollback()
    db.execute(text("UPDATE earnings SET status = 'due', paid = 0"))


def test_nobody_is_forgotten_to_whom_something_is_owed(db: Session) -> None:
    ada, _ = _person(db)
    _answered(db, ada)
    wish = erasures.request(db, ada.id)

    with pytest.raises(StillOwed):
        erasures.confirm(db, wish.id, confirmed_by="ops")

    assert (ada.name, wish.state) == (_NAME, "requested")


def test_one_asks_once_until_ops_have_decided(db: Session) -> None:
    ada, _ = _person(db)
    wish = erasures.request(db, ada.id)
    with pytest.raises(ErasureRequested):
        erasures.request(db, ada.id)

    erasures.refuse(db, wish.id, reason="A court has asked for it.", refused_by="ops")

    with pytest.raises(ErasureDecided):
        erasures.confirm(db, wish.id, confirmed_by="ops")
    with pytest.raises(ErasureDecided):
        erasures.refuse(db, wish.id, reason="A.", refused_by="ops")
    with pytest.raises(NotFound):
        erasures.confirm(db, ids.new("ers"), confirmed_by="ops")
    assert erasures.request(db, ada.id).id != wish.id
    assert db.scalars(erasures.listed(state="refused")).all() == [wish]


def test_a_worker_exports_and_is_forgotten_over_http(
    client: FlaskClient, token: Callable[..., str], db: Session
) -> None:
    ada, secret = _person(db)
    db.commit()
    mine: Any = {"Authorization": f"Bearer {secret}"}
    ops: Any = {"Authorization": f"Bearer {token('ops')}"}

    taken = client.get("/api/me/export", headers=mine)
    wish = client.post("/api/me/erasure", headers=mine)
    [listed] = client.get("/api/erasures?state=requested", headers=ops).get_json()["items"]
    done = client.post(f"/api/erasures/{listed['id']}/confirmation", headers=ops)

    assert taken.get_json()["profile"][0]["id"] == ada.id
    assert taken.headers["Content-Disposition"] == f'attachment; filename="{ada.id}.json"'
    assert (wish.status_code, listed["worker_id"], done.get_json()["state"]) == (201, ada.id, "done")
    assert client.get("/api/me", headers=mine).status_code == 401
