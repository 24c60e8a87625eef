"""What is taken away is gone with the next request, for every role and whatever was begun before."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth
from foundation.errors import NotFound
from tests.access.stage import Stage
from workforce import ladder_versions, ladders, overrides
from workforce.models import Kind

# Something that each role may do.
_OWN = {
    "worker": "/api/me",
    "requester": "/api/projects",
    "ops": "/api/workers",
    "finance": "/api/journal",
    "approver": "/api/fx-rates",
    "admin": "/api/requesters",
    "auditor": "/api/trail",
    "monitor": "/metrics",
}


def _token_id(session: Session, stage: Stage, caller: str) -> str:
    where = {"hash": auth._hash(stage.world.callers[caller].secret)}
    return str(session.scalar(text("SELECT id FROM tokens WHERE secret_hash = :hash"), where))


def _revoke(session: Session, token_id: str) -> None:
    auth.revoke(session, token_id)


def _expire(session: Session, token_id: str) -> None:
    session.execute(text("UPDATE tokens SET expires_at = now() WHERE id = :id"), {"id": token_id})


def _rotate(session: Session, token_id: str) -> None:
    auth.rotate(session, token_id)


@pytest.mark.parametrize("end", [_revoke, _expire, _rotate], ids=["revoked", "expired", "rotated"])
@pytest.mark.parametrize("role", _OWN)
def test_a_token_that_has_ended_is_refused_from_the_next_request_on(
    stage: Stage, role: str, end: Callable[[Session, str], None]
) -> None:
    with stage.scene() as session:
        before = stage.send(role, "GET", _OWN[role]).status_code
        end(session, _token_id(session, stage, role))
        session.flush()
        after = stage.send(role, "GET", _OWN[role]).status_code

    assert (before, after) == (200, 401)


def test_a_worker_who_is_suspended_between_two_requests_neither_claims_nor_renews(stage: Stage) -> None:
    worker_id = stage.world.callers["worker"].subject_id
    with stage.scene():
        lease = stage.send("worker", "POST", "/api/claims", json={}).get_json()
        renewal, fence = f"/api/assignments/{lease['id']}/renewal", {"fence": lease["fence"]}
        assert stage.send("worker", "POST", renewal, json=fence).status_code == 200
        assert stage.send("ops", "POST", f"/api/workers/{worker_id}/suspension").status_code == 200

        claimed = stage.send("worker", "POST", "/api/claims", json={})
        renewed = stage.send("worker", "POST", renewal, json=fence)

    assert (claimed.status_code, renewed.status_code) == (403, 403)


def test_a_suspended_worker_who_is_activated_claims_again(stage: Stage) -> None:
    worker_id = stage.world.callers["suspended"].subject_id
    with stage.scene():
        assert stage.send("ops", "POST", f"/api/workers/{worker_id}/activation").status_code == 200
        assert stage.send("suspended", "POST", "/api/claims", json={}).status_code == 201


def test_an_expert_who_is_moved_down_decides_no_further_dispute(stage: Stage) -> None:
    expert = stage.world.callers["expert"].subject_id
    wanted = {"kind": Kind.ADJUDICATION, **stage.world.things["work"]["disputed"][""]}
    with stage.scene() as session:
        made = overrides.propose(
            session, expert, skill="image.categorization", tier=3, reason="Less care.", days=30, proposed_by="ada"
        )
        moved = stage.send("ops", "POST", f"/api/tier-overrides/{made.id}/approval")
        claimed = stage.send("expert", "POST", "/api/claims", json=wanted)

    assert (moved.status_code, claimed.status_code) == (200, 204)


# Two people


def test_one_of_ops_places_nobody_who_was_moved_before(stage: Stage) -> None:
    expert = stage.world.callers["expert"].subject_id
    with stage.scene():
        again = stage.send(
            "ops", "PUT", f"/api/workers/{expert}/tiers/image.categorization", json={"tier": 4, "reason": "A friend."}
        )

    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/placed-before")


def test_nobody_of_ops_overrides_the_rule_alone_or_for_themselves(stage: Stage) -> None:
    worker_id = stage.world.callers["worker"].subject_id
    body = {"skill": "video", "tier": 2, "reason": "We have seen their work.", "days": 30}
    address = f"/api/workers/{worker_id}/tier-overrides"
    with stage.scene() as session:
        _, secret = auth.issue(session, role="ops", subject_id=worker_id)
        mine = stage.send_as(f"Bearer {secret}", "POST", address, json=body)
        made = stage.send("ops", "POST", address, json=body).get_json()
        approval = f"/api/tier-overrides/{made['id']}/approval"
        again = stage.send("ops", "POST", approval)
        oneself = stage.send_as(f"Bearer {secret}", "POST", approval)

    assert [answer.status_code for answer in (mine, again, oneself)] == [409, 409, 409]


def test_nobody_of_ops_lets_a_ladder_hold_that_they_have_proposed(stage: Stage) -> None:
    with stage.scene() as session:
        steps = [{**asdict(step), "decay_days": None} for step in ladders.DEFAULT.steps]
        ops = stage.world.callers["ops"].subject_id
        made = ladder_versions.propose(session, "video", steps=steps, reason="New.", proposed_by=ops)
        mine = stage.send("ops", "POST", f"/api/ladder-versions/{made.id}/approval")

    assert (mine.status_code, mine.get_json()["type"]) == (409, "/problems/same-person")


def test_nobody_of_ops_corrects_what_they_have_proposed(stage: Stage) -> None:
    wanted = stage.world.things["wronged"]["known"][""]
    body = {"kind": "gold", "task_id": wanted["task_id"], "category": wanted["other"], "reason": "Its beak."}
    with stage.scene():
        made = stage.send("ops", "POST", "/api/corrections", json=body).get_json()["correction"]
        seen = {"content_hash": made["content_hash"]}
        mine = stage.send("ops", "POST", f"/api/corrections/{made['id']}/application", json=seen)

    assert (mine.status_code, mine.get_json()["type"]) == (409, "/problems/same-person")


def test_nobody_of_ops_moves_themselves_or_alone_by_a_file(stage: Stage) -> None:
    worker_id, other = (stage.world.callers[name].subject_id for name in ("worker", "other_worker"))
    file = f"worker_id,skill,tier\n{worker_id},image.categorization,4\n{other},image.categorization,3\n".encode()
    address = "/api/bulk-moves?reason=A%20friend.&days=30"
    with stage.scene() as session:
        _, secret = auth.issue(session, role="ops", subject_id=worker_id)
        oneself = stage.send_as(f"Bearer {secret}", "POST", address, data=file).get_json()["bulk_move"]
        made = stage.send("ops", "POST", address, data=file).get_json()["bulk_move"]
        approval, seen = f"/api/bulk-moves/{made['id']}/approval", {"content_hash": made["content_hash"]}
        alone = stage.send("ops", "POST", approval, json=seen)
        about_them = stage.send_as(f"Bearer {secret}", "POST", approval, json=seen)

    assert ((oneself["waiting"], oneself["bad"]), (made["waiting"], made["bad"])) == ((1, 1), (2, 0))
    assert (alone.get_json()["type"], about_them.get_json()["type"]) == (
        "/problems/same-person",
        "/problems/linked-to-you",
    )


# Tokens give no more than their role has, and no successor gives more than the token did.


def test_no_token_has_a_scope_that_its_role_has_not(stage: Stage) -> None:
    with stage.scene() as session:
        for name, role in auth.roles.items():
            others = {scope for other in auth.roles.values() for scope in other.scopes} - role.scopes
            for scope in others:
                with pytest.raises(auth.ScopeMissing):
                    auth.issue(session, role=name, subject_id="somebody", scopes=[scope])


def test_a_token_of_a_role_that_is_gone_is_refused(stage: Stage) -> None:
    with stage.scene() as session:
        where = {"id": _token_id(session, stage, "ops")}
        session.execute(text("UPDATE tokens SET role = 'janitor' WHERE id = :id"), where)

        assert stage.send("ops", "GET", "/api/workers").status_code == 401


def test_no_token_is_for_somebody_who_is_not_there(stage: Stage) -> None:
    with stage.scene() as session:
        for name in ("worker", "requester"):
            with pytest.raises(NotFound):
                auth.issue(session, role=name, subject_id="nobody")


def test_a_rotated_token_has_the_scopes_and_the_end_of_the_old_one(stage: Stage) -> None:
    with stage.scene() as session:
        whose = stage.world.callers["requester"].subject_id
        old, _ = auth.issue(session, role="requester", subject_id=whose, scopes=["funds"], days=1)

        new, secret = auth.rotate(session, old.id)

        assert (new.scopes, new.expires_at, new.subject_id) == (["funds"], old.expires_at, whose)
        assert old.expires_at is not None
        assert stage.send_as(f"Bearer {secret}", "GET", "/api/projects").status_code == 403


def test_a_revoked_token_has_no_successor(stage: Stage) -> None:
    with stage.scene() as session:
        token, _ = auth.issue(session, role="ops", subject_id="somebody")
        auth.revoke(session, token.id)

        with pytest.raises(auth.TokenEnded):
            auth.rotate(session, token.id)
