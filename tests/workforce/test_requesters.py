"""Accounts of those who send work."""

import pytest
from sqlalchemy.orm import Session

from foundation import auth, ids
from foundation.errors import NotFound
from workforce import requesters


def test_a_new_requester_has_a_token_of_their_own(db: Session) -> None:
    requester, secret = requesters.register(db, name="Museum")

    actor = auth.authenticate(db, f"Bearer {secret}")

    assert (actor.subject_id, actor.role) == (requester.id, "requester")
    assert actor.scopes == {"requester", "funds"}


def test_nobody_is_found_who_is_not_there(db: Session) -> None:
    requester, _ = requesters.register(db, name="Museum")

    assert requesters.find(db, requester.id) is requester
    with pytest.raises(NotFound):
        requesters.find(db, ids.new("req"))


def test_two_requesters_may_have_one_name(db: Session) -> None:
    first, _ = requesters.register(db, name="Museum")
    second, _ = requesters.register(db, name="Museum")

    assert {row.id for row in db.scalars(requesters.listed())} == {first.id, second.id}
