"""Invitations: who may ask whom, and that whoever holds one comes once."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, ids, proofs
from foundation.addresses import AddressMalformed
from foundation.errors import Invalid, NotFound
from foundation.proofs import ProofRefused
from payments import contacts
from payments.four_eyes import SamePerson
from tests import factories
from tests.conftest import House, age, held_up
from workforce import invitations, onboarding, requesters
from workforce.invitations import SENT_MAX, AlreadyInvited, InvitationOver, InvitationSentOften, SubjectTaken
from workforce.models import Guest, Invitation, InvitationStatus, StaffRole

DAY = 86_400
ADA = "ada@example.com"


def _invite(db: Session, email: str = ADA, role: str = "worker", *, activates: bool = False) -> Invitation:
    return invitations.invite(db, email=email, role=role, activates=activates, made_by="ops")


def _propose(db: Session, subject: str = "ada", email: str = ADA, role: str = "ops") -> Invitation:
    return invitations.propose_staff(db, email=email, role=role, subject=subject, made_by="bob")


def _accept(db: Session, invitation: Invitation, **said: str) -> invitations.Arrival:
    return invitations.accept(db, secret=factories.secret_about(db, invitation.id), **said)


# Coming


def test_an_invited_worker_is_an_applicant_whose_address_is_proved(db: Session) -> None:
    arrival = _accept(db, invitation := _invite(db), name="Ada", country="KE")

    actor = auth.authenticate(db, f"Bearer {arrival.token}")
    worker = onboarding.find(db, arrival.subject_id)
    assert (actor.subject_id, actor.role) == (worker.id, "worker")
    assert (worker.name, worker.country, worker.status) == ("Ada", "KE", "applicant")
    assert contacts.proved_address(db, worker.payee_id) == ADA
    assert (invitation.status, invitation.person_id, invitation.email) == ("accepted", worker.id, None)


def test_ops_may_let_an_invited_worker_claim_at_once(db: Session) -> None:
    arrival = _accept(db, _invite(db, activates=True), name="Ada", country="KE")

    assert onboarding.find(db, arrival.subject_id).status == "active"
    with pytest.raises(Invalid, match="activates"):
        _invite(db, role="requester", activates=True)


def test_an_invited_requester_has_an_account(db: Session) -> None:
    arrival = _accept(db, _invite(db, role="requester"), name="Museum")

    assert requesters.find(db, arrival.subject_id).name == "Museum"
    assert auth.authenticate(db, f"Bearer {arrival.token}").role == "requester"


def test_staff_come_under_the_name_that_two_people_gave_them(db: Session) -> None:
    proposed = _propose(db)
    invitations.confirm_staff(db, proposed.id, confirmed_by="carol")

    arrival = _accept(db, proposed)

    actor = auth.authenticate(db, f"Bearer {arrival.token}")
    assert (actor.subject_id, actor.role) == ("ada", "ops")
    assert actor.scopes == {"ops"}
    assert (proposed.accepted_by, proposed.person_id) == ("ada", None)


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("worker", {}),
        ("worker", {"name": "Ada"}),
        ("worker", {"country": "KE"}),
        ("requester", {}),
        ("requester", {"name": "Museum", "country": "KE"}),
    ],
)
def test_people_say_what_their_role_needs_and_no_more(db: Session, role: str, said: Mapping[str, str]) -> None:
    invitation = _invite(db, role=role)

    with pytest.raises(Invalid):
        _accept(db, invitation, **said)

    assert invitation.status == "sent"
    assert _accept(db, invitation, name="A", **({"country": "KE"} if role == "worker" else {})).role == role


def test_an_invitation_is_accepted_once(house: House) -> None:
    with house.sessions() as db:
        secret = factories.secret_about(db, _invite(db).id)
        db.commit()

    def accept(db: Session) -> invitations.Arrival:
        return invitations.accept(db, secret=secret, name="Ada", country="KE")

    with house.sessions() as db:
        accept(db)
        with held_up(house, accept) as other:
            db.commit()
            with pytest.raises(ProofRefused):
                other.result(10)
        assert db.scalar(text("SELECT count(*) FROM workers")) == 1


def test_looking_at_an_invitation_leaves_it_as_it_is(db: Session) -> None:
    invitation = _invite(db)
    secret = factories.secret_about(db, invitation.id)

    assert invitations.look_up(db, secret=secret) is invitation
    assert _accept(db, invitation, name="Ada", country="KE").role == "worker"
    with pytest.raises(ProofRefused):
        invitations.look_up(db, secret=secret)


def test_what_proves_something_else_is_no_invitation(db: Session) -> None:
    invitation = _invite(db)
    proofs.send(
        db, purpose="contact", subject=invitation.id, to=ADA, title="A", words=proofs.PLACE, days=1,
    )  # fmt: skip

    with pytest.raises(ProofRefused):
        _accept(db, invitation, name="Ada", country="KE")


# Asking


def test_nobody_is_asked_twice_at_once_for_the_same(db: Session) -> None:
    first = _invite(db)
    with pytest.raises(AlreadyInvited):
        _invite(db, "Ada@EXAMPLE.com".replace("A", "a", 1))
    with pytest.raises(AlreadyInvited):
        _invite(db, "ADA@example.com")

    _invite(db, role="requester")
    invitations.revoke(db, first.id)
    assert _invite(db).status == "sent"


def test_what_is_no_address_is_refused_where_it_stands(db: Session) -> None:
    with pytest.raises(AddressMalformed) as refused:
        _invite(db, "ada@example.com\r\nBcc: eve@example.com")

    assert [error["pointer"] for error in refused.value.errors] == ["/email"]
    assert db.scalar(text("SELECT count(*) FROM invitations")) == 0


def test_staff_are_told_nothing_before_another_person_has_confirmed_it(db: Session) -> None:
    proposed = _propose(db)

    with pytest.raises(SamePerson):
        invitations.confirm_staff(db, proposed.id, confirmed_by="bob")
    with pytest.raises(InvitationOver):
        invitations.resend(db, proposed.id)
    assert db.scalar(text("SELECT count(*) FROM mails")) == 0

    invitations.confirm_staff(db, proposed.id, confirmed_by="carol")
    with pytest.raises(InvitationOver):
        invitations.confirm_staff(db, proposed.id, confirmed_by="dan")
    assert db.scalar(text("SELECT count(*) FROM mails")) == 1


def test_nobody_comes_under_a_name_that_somebody_has_or_had(db: Session) -> None:
    token, _ = auth.issue(db, role="finance", subject_id="eve")
    auth.revoke(db, token.id)

    with pytest.raises(SubjectTaken):
        _propose(db, "eve")
    proposed = _propose(db)
    with pytest.raises(AlreadyInvited):
        _propose(db, email="another@example.com")
    invitations.confirm_staff(db, proposed.id, confirmed_by="carol")
    auth.issue(db, role="finance", subject_id="ada")
    with pytest.raises(SubjectTaken):
        _accept(db, proposed)


def test_what_was_sent_before_is_of_no_use_when_it_is_sent_again(db: Session) -> None:
    invitation = _invite(db)
    first = factories.secret_about(db, invitation.id)
    age(db, "invitations", "expires_at", 10 * DAY)

    invitations.resend(db, invitation.id)

    db.refresh(invitation)
    assert invitation.n_sent == 2
    assert (invitation.expires_at - invitation.created_at).days == invitations.DAYS
    with pytest.raises(ProofRefused):
        invitations.accept(db, secret=first, name="Ada", country="KE")
    assert _accept(db, invitation, name="Ada", country="KE").role == "worker"


def test_an_invitation_is_sent_five_times_at_most(db: Session) -> None:
    invitation = _invite(db)
    for _ in range(SENT_MAX - 1):
        invitations.resend(db, invitation.id)

    with pytest.raises(InvitationSentOften):
        invitations.resend(db, invitation.id)
    assert db.scalar(text("SELECT count(*) FROM mails")) == SENT_MAX


# Ending


def test_a_revoked_invitation_is_of_no_use(db: Session) -> None:
    invitation = _invite(db)

    invitations.revoke(db, invitation.id)

    with pytest.raises(ProofRefused):
        _accept(db, invitation, name="Ada", country="KE")
    for again in (invitations.revoke, invitations.resend):
        with pytest.raises(InvitationOver, match="revoked"):
            again(db, invitation.id)
    assert invitation.email is None


def test_invitations_end_by_themselves_and_forget_the_address(db: Session) -> None:
    late, proposed = _invite(db), _propose(db, email="carol@example.com")
    age(db, "invitations", "expires_at", invitations.DAYS * DAY)
    living = _invite(db, "ben@example.com")

    assert (invitations.expire(db), invitations.expire(db)) == (2, 0)

    db.expire_all()
    assert [one.status for one in (late, proposed, living)] == ["expired", "expired", "sent"]
    assert [one.email for one in (late, proposed, living)] == [None, None, "ben@example.com"]


def test_what_is_not_there_cannot_be_sent_ended_or_confirmed(db: Session) -> None:
    missing = ids.new("ivt")

    for act in (invitations.find, invitations.resend, invitations.revoke):
        with pytest.raises(NotFound):
            act(db, missing)
    with pytest.raises(NotFound):
        invitations.confirm_staff(db, missing, confirmed_by="bob")


def test_invitations_are_listed_by_status_and_role(db: Session) -> None:
    worker, requester = _invite(db), _invite(db, role="requester")
    invitations.revoke(db, requester.id)

    assert db.scalars(invitations.listed(status="sent")).all() == [worker]
    assert db.scalars(invitations.listed(role="requester")).all() == [requester]
    assert set(db.scalars(invitations.listed())) == {worker, requester}

    proposed = _propose(db, email="ben@example.com")
    assert db.scalars(invitations.of_staff()).all() == [proposed]


def test_every_role_of_staff_can_be_invited_and_ops_invite_none_of_them() -> None:
    assert set(StaffRole) == {name for name, role in auth.roles.items() if role.is_staff}
    assert set(StaffRole).isdisjoint(Guest)


# Over HTTP


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_somebody_is_invited_looks_and_comes(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    ops = _as(token("ops"))
    made = client.post("/api/invitations", json={"email": ADA, "role": "worker"}, headers=ops)
    secret = factories.secret_about(db, made.get_json()["id"])

    seen = client.post("/api/invitations/lookup", json={"secret": secret})
    came = client.post("/api/invitations/acceptance", json={"secret": secret, "name": "Ada", "country": "KE"})
    again = client.post("/api/invitations/acceptance", json={"secret": secret, "name": "Ada", "country": "KE"})

    assert (made.status_code, made.get_json()["masked"], made.get_json()["n_sent"]) == (201, "a***@example.com", 1)
    assert seen.get_json() == {"role": "worker", "expires_at": made.get_json()["expires_at"]}
    assert came.status_code == 201
    me = client.get("/api/me", headers=_as(came.get_json()["token"])).get_json()
    assert me["worker"]["id"] == came.get_json()["subject_id"]
    assert (again.status_code, again.get_json()["type"]) == (404, "/problems/proof-refused")
    assert ADA not in made.text + seen.text + came.text


def test_the_trail_keeps_no_address(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    client.post("/api/invitations", json={"email": ADA, "role": "worker"}, headers=_as(token("ops")))

    told = db.scalars(text("SELECT details FROM trail_entries")).one()
    assert told == '{"email":"***","role":"worker"}'


@pytest.mark.parametrize(
    "body",
    [
        {"email": ADA},
        {"email": ADA, "role": "ops"},
        {"email": "ada", "role": "worker"},
        {"email": ADA, "role": "requester", "activates": True},
        {"email": ADA, "role": "worker", "status": "accepted"},
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(
    client: FlaskClient, token: Callable[..., str], db: Session, body: dict[str, Any]
) -> None:
    assert client.post("/api/invitations", json=body, headers=_as(token("ops"))).status_code == 422
    assert db.scalar(text("SELECT count(*) FROM mails")) == 0


@pytest.mark.parametrize("subject", ["", "Ada", "wrk_01m885wn6z000000000000000000", "a b", "ada\n"])
def test_names_of_staff_read_as_nothing_else(client: FlaskClient, token: Callable[..., str], subject: str) -> None:
    body = {"email": ADA, "role": "ops", "subject": subject}

    assert client.post("/api/staff-invitations", json=body, headers=_as(token("admin"))).status_code == 422


def test_two_admins_invite_one_of_the_staff(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    bob, carol = _as(token("admin", "bob")), _as(token("admin", "carol"))
    body = {"email": ADA, "role": "approver", "subject": "ada"}
    made = client.post("/api/staff-invitations", json=body, headers=bob).get_json()
    address = f"/api/staff-invitations/{made['id']}/confirmation"

    alone, both = client.post(address, headers=bob), client.post(address, headers=carol)

    assert (alone.status_code, alone.get_json()["type"]) == (409, "/problems/same-person")
    assert (both.get_json()["status"], both.get_json()["confirmed_by"]) == ("sent", "carol")
    secret = factories.secret_about(db, made["id"])
    came = client.post("/api/invitations/acceptance", json={"secret": secret}).get_json()
    assert came["subject_id"] == "ada"
    assert db.scalars(text("SELECT status FROM invitations")).one() == InvitationStatus.ACCEPTED
