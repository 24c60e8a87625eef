"""Teams: what each role may do, who is told apart from whom, and that a team keeps an owner."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from foundation import auth, ids, proofs
from foundation.auth import ScopeMissing, TokenRefused
from foundation.errors import NotFound
from tests import factories
from tests.conftest import House, held_up
from workforce import invitations, teams
from workforce.invitations import AlreadyInvited, InvitationOver
from workforce.models import Member, MemberRole, Requester
from workforce.teams import LastOwner, OwnersAlone


@pytest.fixture
def museum(db: Session) -> Requester:
    """A requester without any member yet."""
    return factories.create_requester(db, funds=None)


def _join(db: Session, requester: Requester, role: str = "owner", email: str = "ada@example.com") -> tuple[Member, str]:
    asked = invitations.invite_member(db, requester.id, email=email, role=role, made_by=requester.id)
    came = invitations.accept(db, secret=factories.secret_about(db, asked.id))
    assert (came.role, came.subject_id) == ("member", asked.accepted_by)
    return db.get_one(Member, asked.accepted_by), came.token


@pytest.mark.parametrize("role", MemberRole)
def test_a_member_has_tokens_of_their_own_with_what_their_role_may(
    db: Session, museum: Requester, role: MemberRole
) -> None:
    member, secret = _join(db, museum, role)

    actor = auth.authenticate(db, f"Bearer {secret}")

    assert (actor.subject_id, actor.person, actor.role) == (museum.id, member.id, "requester")
    assert actor.scopes == teams.SCOPES[role]
    assert (member.role, member.masked) == (role, "a***@example.com")


def test_two_members_are_two_people_and_two_tokens_of_one_are_one(db: Session, museum: Requester) -> None:
    member, first = _join(db, museum)
    _, other = _join(db, museum, email="ben@example.com")
    _, own = auth.issue(db, role="requester", subject_id=museum.id)
    found = auth.authenticate(db, f"Bearer {first}")
    _, rotated = auth.rotate(db, found.token_id)

    people = [auth.authenticate(db, f"Bearer {secret}").person for secret in (other, own, rotated)]

    assert found.person == people[2] == member.id
    assert len(set(people)) == 3
    assert people[1] == museum.id


def test_a_scope_for_looking_is_never_given_unasked(db: Session, museum: Requester) -> None:
    token, _ = auth.issue(db, role="requester", subject_id=museum.id)

    assert set(token.scopes) == {"requester", "funds"}
    with pytest.raises(ScopeMissing):
        auth.issue(db, role="worker", subject_id=factories.create_worker(db).id, scopes=["view"])


def test_owners_alone_ask_and_change(db: Session, museum: Requester) -> None:
    owner, _ = _join(db, museum)
    others = [_join(db, museum, role, f"{role}@example.com")[0] for role in ("manager", "finance", "viewer")]

    for member in others:
        with pytest.raises(OwnersAlone):
            invitations.invite_member(db, museum.id, email="eve@example.com", role="owner", made_by=member.id)
        with pytest.raises(OwnersAlone):
            teams.change(db, museum.id, member.id, role="owner", person=member.id)
        with pytest.raises(OwnersAlone):
            teams.remove(db, museum.id, owner.id, person=member.id)
    assert teams.change(db, museum.id, others[0].id, role="owner", person=owner.id).role == "owner"


def test_another_role_acts_on_the_next_request(db: Session, museum: Requester) -> None:
    owner, _ = _join(db, museum)
    member, secret = _join(db, museum, "manager", "ben@example.com")

    teams.change(db, museum.id, member.id, role="viewer", person=owner.id)

    assert auth.authenticate(db, f"Bearer {secret}").scopes == {"view"}


def test_the_last_owner_neither_leaves_nor_becomes_less(db: Session, museum: Requester) -> None:
    owner, _ = _join(db, museum)
    _join(db, museum, "manager", "ben@example.com")

    with pytest.raises(LastOwner):
        teams.leave(db, museum.id, owner.id)
    with pytest.raises(LastOwner):
        teams.change(db, museum.id, owner.id, role="manager", person=museum.id)

    second, _ = _join(db, museum, email="carol@example.com")
    assert teams.leave(db, museum.id, owner.id).left_at is not None
    with pytest.raises(LastOwner):
        teams.remove(db, museum.id, second.id, person=museum.id)


def test_of_two_owners_who_leave_at_once_one_stays(house: House) -> None:
    with house.sessions() as db:
        museum = factories.create_requester(db, funds=None)
        one, other = _join(db, museum)[0], _join(db, museum, email="ben@example.com")[0]
        db.commit()
    with house.sessions() as db:
        teams.leave(db, museum.id, one.id)
        with held_up(house, lambda held: teams.leave(held, museum.id, other.id)) as leaving:
            db.commit()
            with pytest.raises(LastOwner):
                leaving.result(10)


def test_whoever_has_left_calls_no_more_and_is_no_owner(db: Session, museum: Requester) -> None:
    owner, _ = _join(db, museum)
    member, secret = _join(db, museum, email="ben@example.com")

    teams.leave(db, museum.id, member.id)
    teams.remove(db, museum.id, member.id, person=owner.id)

    with pytest.raises(TokenRefused):
        auth.authenticate(db, f"Bearer {secret}")
    with pytest.raises(OwnersAlone):
        teams.require_owner(db, museum.id, member.id)


def test_members_of_another_team_are_not_there(db: Session, museum: Requester) -> None:
    theirs, _ = _join(db, factories.create_requester(db, funds=None))

    for member_id in (theirs.id, ids.new("mem")):
        with pytest.raises(NotFound):
            teams.remove(db, museum.id, member_id, person=museum.id)
        with pytest.raises(NotFound):
            teams.change(db, museum.id, member_id, role="viewer", person=museum.id)
    with pytest.raises(OwnersAlone):
        teams.require_owner(db, museum.id, ids.new("mem"))


def test_somebody_may_be_asked_into_two_teams_and_into_one_once(db: Session, museum: Requester) -> None:
    other = factories.create_requester(db, funds=None)
    for requester in (museum, other):
        asked = {"email": "ada@example.com", "role": "viewer", "made_by": requester.id}
        invitations.invite_member(db, requester.id, **asked)
        with pytest.raises(AlreadyInvited):
            invitations.invite_member(db, requester.id, **asked)


def test_owners_alone_see_whom_their_team_has_asked_and_revoke_it(db: Session, museum: Requester) -> None:
    owner, _ = _join(db, museum)
    manager, _ = _join(db, museum, "manager", "ben@example.com")
    open_ = invitations.invite_member(db, museum.id, email="eve@example.com", role="viewer", made_by=owner.id)
    other = factories.create_requester(db, funds=None)
    invitations.invite_member(db, other.id, email="eve@example.com", role="viewer", made_by=other.id)

    with pytest.raises(OwnersAlone):
        invitations.into_team(db, museum.id, asked_by=manager.id)
    with pytest.raises(OwnersAlone):
        invitations.revoke_member(db, museum.id, open_.id, revoked_by=manager.id)

    found = [one.status for one in db.scalars(invitations.into_team(db, museum.id, asked_by=owner.id))]
    assert sorted(found) == ["accepted", "accepted", "sent"]
    [sent] = db.scalars(invitations.into_team(db, museum.id, asked_by=museum.id, status="sent"))
    assert sent.id == open_.id


def test_what_was_revoked_is_of_no_use_and_may_be_asked_again(db: Session, museum: Requester) -> None:
    asked = {"email": "eve@example.com", "role": "viewer", "made_by": museum.id}
    made = invitations.invite_member(db, museum.id, **asked)
    secret = factories.secret_about(db, made.id)

    assert invitations.revoke_member(db, museum.id, made.id, revoked_by=museum.id).status == "revoked"

    with pytest.raises(proofs.ProofRefused):
        invitations.accept(db, secret=secret)
    with pytest.raises(InvitationOver):
        invitations.revoke_member(db, museum.id, made.id, revoked_by=museum.id)
    assert invitations.invite_member(db, museum.id, **asked).status == "sent"


def test_what_leads_into_another_team_or_nowhere_is_not_there(db: Session, museum: Requester) -> None:
    other = factories.create_requester(db, funds=None)
    theirs = invitations.invite_member(db, other.id, email="eve@example.com", role="viewer", made_by=other.id)
    worker = invitations.invite(db, email="eve@example.com", role="worker", activates=False, made_by="ops")

    for invitation_id in (theirs.id, worker.id, ids.new("ivt")):
        with pytest.raises(NotFound):
            invitations.revoke_member(db, museum.id, invitation_id, revoked_by=museum.id)
    assert (theirs.status, worker.status) == ("sent", "sent")


def test_a_viewer_sees_all_and_changes_nothing(client: FlaskClient, db: Session, museum: Requester) -> None:
    project = factories.create_project(db, museum)
    _, secret = _join(db, museum, "viewer")
    member, theirs = _join(db, museum, "finance", "ben@example.com")
    db.commit()
    viewer: Any = {"Authorization": f"Bearer {secret}"}
    finance: Any = {"Authorization": f"Bearer {theirs}"}

    for header in (viewer, finance):
        assert client.get(f"/api/projects/{project.id}", headers=header).status_code == 200
        assert client.get("/api/funds", headers=header).status_code == 200
        assert client.post("/api/projects", headers=header, json={}).status_code == 403
        assert client.post("/v1/projects", headers=header, json={}).status_code == 403
    assert client.post(f"/api/me/members/{member.id}/removal", headers=viewer).status_code == 403
    assert client.post("/api/me/team-leaving", headers=finance).get_json()["id"] == member.id
    assert client.get("/api/funds", headers=finance).status_code == 401


def test_the_answer_of_an_owner_is_kept_for_them_and_not_for_who_may_not_ask(
    client: FlaskClient, db: Session, museum: Requester
) -> None:
    headers: list[Any] = []
    for role in ("owner", "manager"):
        _, secret = _join(db, museum, role, f"{role}@example.com")
        headers.append({"Authorization": f"Bearer {secret}", "Idempotency-Key": "monday"})
    db.commit()
    body = {"email": "eve@example.com", "role": "viewer"}

    asked = [client.post("/api/me/member-invitations", headers=header, json=body) for header in headers]

    assert [answer.status_code for answer in asked] == [201, 403]


def test_an_owner_makes_a_team_over_http(
    client: FlaskClient, token: Callable[..., str], db: Session, museum: Requester
) -> None:
    db.commit()
    owner: Any = {"Authorization": f"Bearer {token('requester', museum.id)}"}
    body = {"email": "ada@example.com", "role": "owner"}

    asked = client.post("/api/me/member-invitations", headers=owner, json=body)
    wrong = client.post("/api/me/member-invitations", headers=owner, json={**body, "email": "adam@example.com"})
    address = f"/api/me/member-invitations/{wrong.get_json()['id']}/revocation"
    revoked = [client.post(address, headers=owner) for _ in range(2)]
    secret = factories.secret_about(db, asked.get_json()["id"])
    came = client.post("/api/invitations/acceptance", json={"secret": secret}).get_json()
    [member] = client.get("/api/me/members", headers=owner).get_json()["items"]
    alone = client.put(f"/api/me/members/{member['id']}", headers=owner, json={"role": "viewer"})

    assert (asked.status_code, came["subject_id"], member["role"]) == (201, member["id"], "owner")
    assert alone.get_json()["type"] == "/problems/last-owner"
    assert [answer.status_code for answer in revoked] == [200, 409]
    listed = client.get("/api/me/member-invitations", headers=owner).get_json()["items"]
    assert [(one["member_role"], one["status"]) for one in listed] == [("owner", "revoked"), ("owner", "accepted")]
    [open_] = client.get("/api/me/member-invitations?status=revoked", headers=owner).get_json()["items"]
    assert open_["id"] == wrong.get_json()["id"]
    assert client.post("/api/me/member-invitations", headers=owner, json={**body, "role": "king"}).status_code == 422
