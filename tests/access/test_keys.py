"""Idempotency keys: whoever sends somebody else's gets nothing of what the other one got."""

import pytest
from sqlalchemy import text

from tests.access.stage import Stage

_KEY = {"Idempotency-Key": "guessed"}
_PROJECT = {
    "name": "Something new",
    "labels": ["crow", "rook"],
    "rates": [{"tier": 0, "amount": "0.02", "currency": "USD"}],
}


def test_two_requesters_may_use_one_key_and_never_meet(stage: Stage) -> None:
    with stage.scene():
        made = stage.send("requester", "POST", "/api/projects", json=_PROJECT, headers=_KEY)
        other = stage.send("other_requester", "POST", "/api/projects", json=_PROJECT, headers=_KEY)
        again = stage.send("requester", "POST", "/api/projects", json=_PROJECT, headers=_KEY)

    assert (made.status_code, other.status_code, again.status_code) == (201, 201, 201)
    assert made.get_json()["id"] != other.get_json()["id"]
    assert again.data == made.data


def test_two_strangers_with_one_key_are_two_applicants(stage: Stage) -> None:
    body = {"name": "Somebody new", "country": "KE"}
    with stage.scene():
        one = stage.send("nobody", "POST", "/api/applications", json=body, headers=_KEY)
        other = stage.send("nobody", "POST", "/api/applications", json=body, headers=_KEY)

    assert one.get_json()["worker"]["id"] != other.get_json()["worker"]["id"]
    assert one.get_json()["token"] != other.get_json()["token"]


def test_a_key_opens_no_other_address(stage: Stage) -> None:
    worker = stage.world.callers["worker"].subject_id
    with stage.scene():
        one = stage.send("ops", "POST", f"/api/workers/{worker}/suspension", headers=_KEY)
        other = stage.send("ops", "POST", f"/api/workers/{worker}/activation", headers=_KEY)

    assert (one.status_code, other.status_code) == (200, 422)


@pytest.mark.parametrize("caller", ["funds_only", "requester (revoked)", "requester (expired)", "nobody"])
def test_a_key_does_not_stand_for_the_right_to_call(stage: Stage, caller: str) -> None:
    with stage.scene():
        stage.send("requester", "POST", "/api/projects", json=_PROJECT, headers=_KEY)
        replayed = stage.send(caller, "POST", "/api/projects", json=_PROJECT, headers=_KEY)

    assert replayed.status_code in {401, 403}


def test_what_is_shown_once_is_kept_nowhere(stage: Stage) -> None:
    with stage.scene() as session:
        made = stage.send("ops", "POST", "/api/requesters", json={"name": "Somebody new"}, headers=_KEY)
        again = stage.send("ops", "POST", "/api/requesters", json={"name": "Somebody new"}, headers=_KEY)
        kept = session.scalars(text("SELECT body FROM idempotency_keys WHERE key = 'guessed'")).one()

    assert made.get_json()["token"].startswith("rk_")
    assert again.get_json() == {**made.get_json(), "token": None}
    assert b"rk_" not in bytes(kept)
