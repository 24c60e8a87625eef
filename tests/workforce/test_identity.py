"""What workers say of themselves and agree to, and how their identity is checked."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid, NotFound
from tests import factories
from workforce import consents, identity, profiles
from workforce.consents import ConsentOutdated, NoConsentVersion
from workforce.identity import CheckMoveNotAllowed, CheckOpen
from workforce.models import CheckState, IdentityCheck, WorkerStatus
from workforce.profiles import LanguagesAreOps

APPLICANT = WorkerStatus.APPLICANT


# Profiles


def test_an_applicant_says_what_they_know_and_what_is_left_out_stays(db: Session) -> None:
    ada = factories.create_worker(db, status=APPLICANT).id

    profiles.say(db, ada, languages={"sw": "native"}, skills=["image"], device_class="phone")
    shown = profiles.say(db, ada, payout_region="KE")

    assert [(one.language, one.level) for one in shown.languages] == [("sw", "native")]
    assert (shown.skills, shown.device_class, shown.payout_region) == (["image"], "phone", "KE")
    assert profiles.say(db, ada, skills=[]).skills == []


def test_whoever_works_has_their_languages_from_ops(db: Session) -> None:
    ada = factories.create_worker(db).id

    with pytest.raises(LanguagesAreOps):
        profiles.say(db, ada, languages={"sw": "native"})
    assert profiles.say(db, ada, device_class="tablet").device_class == "tablet"
    assert profiles.of_worker(db, factories.create_worker(db).id).skills == []


# Consents


def test_a_new_version_asks_again_and_what_was_given_stays(db: Session) -> None:
    ada = factories.create_worker(db).id
    before = consents.is_due(db, ada)
    with pytest.raises(NoConsentVersion):
        consents.in_force(db)
    consents.publish(db, words="Be kind.", published_by="ops")
    first = consents.is_due(db, ada), consents.give(db, ada, version=1).given_at

    consents.publish(db, words="Be kind and true.", published_by="ops")

    assert (before, first[0], consents.is_due(db, ada)) == (False, True, True)
    for outdated in (1, 3):
        with pytest.raises(ConsentOutdated):
            consents.give(db, ada, version=outdated)
    consents.give(db, ada, version=2)
    consents.give(db, ada, version=2)
    assert consents.is_due(db, ada) is False
    assert [one.version for one in consents.of_worker(db, ada)] == [2, 1]
    assert consents.of_worker(db, ada)[1].given_at == first[1]
    assert consents.in_force(db).words == "Be kind and true."


def test_what_was_agreed_to_cannot_be_changed_by_the_application(db: Session) -> None:
    consents.publish(db, words="Be kind.", published_by="ops")

    with pytest.raises(Exception, match="permission denied"), db.begin_nested():
        db.execute(text("UPDATE consent_versions SET words = ''"))


# Identity


def _at(db: Session, state: CheckState) -> IdentityCheck:
    check = identity.request(db, factories.create_worker(db).id)
    if state in {CheckState.PASSED, CheckState.EXPIRED}:
        identity.decide(db, check.id, state="passed", decided_by="ops", days=1)
    elif state == CheckState.REFUSED:
        identity.decide(db, check.id, state="refused", reason="Blurred.", decided_by="ops")
    elif state == CheckState.IN_REVIEW:
        identity.decide(db, check.id, state="in_review", decided_by="ops")
    if state == CheckState.EXPIRED:
        check.expires_on = check.expires_on.replace(year=2020) if check.expires_on else None
        db.flush()
        identity.expire(db)
        db.refresh(check)
    assert check.state == state
    return check


ALLOWED = {
    ("requested", "in_review"), ("requested", "passed"), ("requested", "refused"),
    ("in_review", "passed"), ("in_review", "refused"),
}  # fmt: skip


@pytest.mark.parametrize("start", CheckState)
@pytest.mark.parametrize("end", ["in_review", "passed", "refused"])
def test_a_check_goes_only_where_it_may(db: Session, start: CheckState, end: str) -> None:
    check = _at(db, start)
    reason = "Blurred." if end == "refused" else None

    if (start.value, end) in ALLOWED:
        assert identity.decide(db, check.id, state=end, reason=reason, decided_by="ops").state == end
    else:
        with pytest.raises(CheckMoveNotAllowed, match=start.value):
            identity.decide(db, check.id, state=end, reason=reason, decided_by="ops")


def test_one_check_of_a_worker_is_open_at_a_time(db: Session) -> None:
    check = _at(db, CheckState.IN_REVIEW)

    with pytest.raises(CheckOpen):
        identity.request(db, check.worker_id)
    identity.decide(db, check.id, state="refused", reason="Blurred.", decided_by="ops")
    again = identity.request(db, check.worker_id)

    assert db.scalars(identity.of_worker(check.worker_id).order_by(IdentityCheck.id)).all() == [check, again]
    with pytest.raises(NotFound):
        identity.request(db, ids.new("wrk"))


def test_a_refusal_has_a_reason_and_what_is_passed_has_an_end(db: Session) -> None:
    check = _at(db, CheckState.REQUESTED)

    for wrong in ({"state": "refused"}, {"state": "passed", "reason": "A."}, {"state": "in_review", "days": 3}):
        with pytest.raises(Invalid):
            identity.decide(db, check.id, decided_by="ops", **wrong)
    passed = identity.decide(db, check.id, state="passed", decided_by="ops", days=30)

    assert passed.expires_on is not None
    assert passed.decided_at is not None
    assert (passed.expires_on - passed.decided_at.date()).days == 30
    assert identity.expire(db) == 0


def test_ops_review_who_somebody_is_over_http(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    ada = factories.create_worker(db, status=APPLICANT)
    db.commit()
    mine: Any = {"Authorization": f"Bearer {token('worker', ada.id)}"}
    ops: Any = {"Authorization": f"Bearer {token('ops')}"}

    said = client.put(
        "/api/me/profile",
        headers=mine,
        json={"languages": [{"language": "sw", "level": "native"}], "skills": ["image"]},
    )
    client.post("/api/consent-versions", headers=ops, json={"words": "Be kind."})
    words = client.get("/api/consent-versions/current").get_json()
    due = client.get("/api/me/consents", headers=mine).get_json()["is_due"]
    given = client.post("/api/me/consents", headers=mine, json={"version": words["version"]})
    asked = client.post("/api/me/identity-checks", headers=mine)
    [waiting] = client.get("/api/identity-checks?state=requested", headers=ops).get_json()["items"]
    decision = {"state": "refused", "reason": "Blurred."}
    decided = client.post(f"/api/identity-checks/{waiting['id']}/decision", headers=ops, json=decision)
    [seen] = client.get("/api/me/identity-checks", headers=mine).get_json()["items"]

    assert said.get_json()["languages"][0]["language"] == "sw"
    assert said.get_json() == client.get("/api/me/profile", headers=mine).get_json()
    assert (due, given.status_code, asked.status_code, decided.status_code) == (True, 201, 201, 200)
    assert client.get("/api/me/consents", headers=mine).get_json()["is_due"] is False
    assert (waiting["worker_id"], seen["state"], seen["reason"]) == (ada.id, "refused", "Blurred.")
    assert client.put("/api/me/profile", headers=mine, json={"device_class": "fridge"}).status_code == 422
