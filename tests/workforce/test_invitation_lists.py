"""Lists of people: what becomes of each line, that everybody is asked once, and what who comes is known by."""

import io
from collections import Counter
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import mail
from payments import contacts
from payments.four_eyes import SamePerson
from tests import factories
from tests.conftest import House, age
from workforce import erasures, identity, invitation_lists, invitations, onboarding, own_data, pools
from workforce.invitation_lists import ListMoveNotAllowed, ListUnreadable, NoSuchList
from workforce.models import InvitationLine, InvitationList, ListState

_HEADER = "external_id,email,name,country,languages,pool"


def _line(n: int, **said: str) -> str:
    cells = {
        "external_id": str(n), "email": f"p{n}@example.com", "name": f"Person {n}", "country": "KE",
        "languages": "sw:native en:b2", "pool": "vendor", **said,
    }  # fmt: skip
    return ",".join(cells.values())


def _check(db: Session, *lines: str, team: str = "acme", header: str = _HEADER) -> InvitationList:
    file = io.BytesIO("\r\n".join([header, *lines, ""]).encode())
    return invitation_lists.check(db, file, team=team, activates=True, made_by="ada")


def _invite_all(db: Session, made: InvitationList) -> InvitationList:
    invitation_lists.apply(db, made.id, decided_by="bob")
    for _ in invitation_lists.go_on(db):
        pass
    return invitation_lists.find(db, made.id)


def _lines(db: Session, made: InvitationList) -> list[InvitationLine]:
    rows = invitation_lists.lines(db, made.id).order_by(InvitationLine.line)
    return list(db.scalars(rows.execution_options(populate_existing=True)))


def _fates(db: Session, made: InvitationList) -> list[str]:
    return [one.fate for one in _lines(db, made)]


def _mails(db: Session) -> Counter[str]:
    return Counter(str(address) for address in db.scalars(select(mail.Mail.address)))


# Looking through


def test_a_list_says_what_would_become_of_each_line_and_does_nothing(db: Session) -> None:
    invitations.invite(db, email="P3@example.com", role="worker", activates=False, made_by="ada")
    before = _mails(db)

    made = _check(
        db, _line(1), _line(2, country="Kenya"), _line(3), "", "one cell", _line(1, email="other@example.com")
    )

    assert (made.state, made.n_lines, made.n_new, made.n_there, made.n_bad) == ("checked", 5, 1, 1, 3)
    told = [(one.line, one.fate, one.pointer) for one in _lines(db, made)]
    assert told == [
        (2, "new", None), (3, "bad", "/country"), (4, "there", None), (6, "bad", ""), (7, "bad", "/external_id"),
    ]  # fmt: skip
    assert _mails(db) == before


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"external_id": ""}, "/external_id"),
        ({"email": "nobody"}, "/email"),
        ({"email": ""}, "/email"),
        ({"name": ""}, "/name"),
        ({"country": "kenya"}, "/country"),
        ({"languages": "sw"}, "/languages"),
        ({"languages": "sw:b2 sw:c1"}, "/languages"),
        ({"languages": "swahili:b2"}, "/languages"),
        ({"pool": "crowd"}, "/pool"),
        ({"pool": ""}, "/pool"),
    ],
)
def test_a_line_that_is_wrong_is_told_by_its_column(db: Session, said: dict[str, str], pointer: str) -> None:
    (one,) = _lines(db, _check(db, _line(1, **said)))

    assert (one.fate, one.pointer, one.email, one.name) == ("bad", pointer, None, None)
    assert one.reason


@pytest.mark.parametrize(
    "header", ["", "external_id,email,name,country", f"{_HEADER},salary", f"{_HEADER},pool", '"', "\x00"]
)
def test_a_file_without_its_columns_is_no_list(db: Session, header: str) -> None:
    with pytest.raises(ListUnreadable):
        _check(db, _line(1), header=header)


def test_a_list_is_bounded(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitation_lists, "PEOPLE_MAX", 2)

    assert _check(db, _line(1), _line(2)).n_lines == 2
    with pytest.raises(ListUnreadable):
        _check(db, _line(1), _line(2), _line(3))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_are_refused(db: Session, sent: bytes) -> None:
    file = io.BytesIO(f"{_HEADER}\n".encode() + sent)

    made = invitation_lists.check(db, file, team="acme", activates=False, made_by="ada")

    assert made.n_lines == made.n_new + made.n_bad


# Inviting


def test_everybody_new_is_asked_once_and_the_same_file_again_changes_nothing(db: Session) -> None:
    lines = [_line(n) for n in range(1, 4)]
    made = _invite_all(db, _check(db, *lines))
    assert (made.state, made.n_new, made.n_invited) == ("done", 0, 3)
    before = _mails(db)

    again = _invite_all(db, _check(db, *lines, _line(4)))

    assert (again.state, again.n_invited, again.n_there) == ("done", 1, 3)
    assert _mails(db) - before == {"p4@example.com": 1}
    assert set(before.values()) == {1}


def test_of_two_lists_that_name_one_person_one_asks_them(db: Session) -> None:
    first, second = _check(db, _line(1)), _check(db, _line(1, email="elsewhere@example.com"))
    other = _check(db, _line(1, email="third@example.com"), team="globex")

    assert [_invite_all(db, made).n_invited for made in (first, second, other)] == [1, 0, 1]
    assert _fates(db, second) == ["there"]


def test_a_list_goes_on_where_it_was_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitation_lists, "_AT_ONCE", 2)
    with house.sessions() as db:
        made = _check(db, *(_line(n) for n in range(1, 6)))
        invitation_lists.apply(db, made.id, decided_by="bob")
        db.commit()
    for _ in range(2):
        with house.sessions() as db:
            # The second step dies before it is committed.
            steps = invitation_lists.go_on(db)
            next(steps)
            db.commit()
            next(steps)
    with house.sessions() as db:
        assert invitation_lists.find(db, made.id).n_invited == 4
        for _ in invitation_lists.go_on(db):
            db.commit()
        assert (invitation_lists.find(db, made.id).state, set(_mails(db).values())) == ("done", {1})


def test_who_sends_a_list_does_not_let_it(db: Session) -> None:
    made = _check(db, _line(1))

    with pytest.raises(SamePerson):
        invitation_lists.apply(db, made.id, decided_by="ada")
    assert _invite_all(db, made).state == invitation_lists.apply(db, made.id, decided_by="ada").state == "done"


def test_a_cancelled_list_asks_nobody_more(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitation_lists, "_AT_ONCE", 1)
    made = _check(db, _line(1), _line(2))
    invitation_lists.apply(db, made.id, decided_by="bob")
    invitation_lists.step(db, made.id)

    for _ in range(2):
        assert invitation_lists.cancel(db, made.id, decided_by="ada").state == "cancelled"
    invitation_lists.step(db, made.id)
    invitation_lists.forget(db)

    assert _fates(db, made) == ["invited", "new"]
    # Whoever is asked may come still; who is not is forgotten.
    assert [one.name for one in _lines(db, made)] == ["Person 1", None]
    with pytest.raises(ListMoveNotAllowed):
        invitation_lists.apply(db, made.id, decided_by="bob")
    with pytest.raises(NoSuchList):
        invitation_lists.cancel(db, "ivl_1", decided_by="ada")


def test_a_list_that_nobody_lets_is_over_after_a_week_and_forgotten(db: Session) -> None:
    made = _check(db, _line(1))
    assert invitation_lists.forget(db) == 0
    age(db, "invitation_lists", "expires_at", 8 * 86_400)

    assert invitation_lists.forget(db) == 2

    assert db.scalars(select(InvitationList.state)).one() == ListState.EXPIRED
    assert [(one.name, one.email) for one in _lines(db, made)] == [(None, None)]
    assert invitation_lists.forget(db) == 0


# Coming


def test_who_comes_is_who_their_team_says(db: Session) -> None:
    made = _invite_all(db, _check(db, _line(1)))
    (line,) = _lines(db, made)

    came = invitations.accept(db, secret=factories.secret_about(db, str(line.invitation_id)))

    worker = onboarding.find(db, came.subject_id)
    (check,) = db.scalars(identity.of_worker(worker.id))
    assert (worker.name, worker.country, worker.status) == ("Person 1", "KE", "active")
    assert pools.of_worker(db, worker.id).pools == ["vendor"]
    assert {one.language: one.level for one in pools.languages(db, worker.id)} == {"sw": "native", "en": "b2"}
    assert (check.provider, check.state, check.decided_by) == ("team", "passed", "bob")
    assert contacts.proved_address(db, worker.payee_id) == "p1@example.com"
    (line,) = _lines(db, made)
    assert (line.person_id, line.name, line.email) == (worker.id, None, None)
    with own_data.export(db, worker.id) as file:
        assert '"team": "acme", "external_id": "1"' in file.read().decode()


def test_somebody_erased_is_not_known_by_the_id_of_their_team(db: Session) -> None:
    made = _invite_all(db, _check(db, _line(1)))
    (line,) = _lines(db, made)
    came = invitations.accept(db, secret=factories.secret_about(db, str(line.invitation_id)))

    wish = erasures.request(db, came.subject_id)
    erasures.confirm(db, wish.id, confirmed_by="ada")

    assert db.execute(text("SELECT external_id FROM invitation_lines")).scalar_one() == "***"


# Over HTTP


def test_ops_bring_people_over_http(client: FlaskClient, token: Any, db: Session) -> None:
    ada: Any = {"Authorization": f"Bearer {token('ops', 'ada')}"}
    bob: Any = {"Authorization": f"Bearer {token('ops', 'bob')}"}
    file = "\n".join([_HEADER, _line(1), _line(2, pool="nowhere")]).encode()

    made = client.post("/api/invitation-lists?team=acme&activates=true", headers=ada, data=file)
    list_id = made.get_json()["id"]
    own = client.post(f"/api/invitation-lists/{list_id}/application", headers=ada)
    let = client.post(f"/api/invitation-lists/{list_id}/application", headers=bob)
    for _ in invitation_lists.go_on(db):
        pass
    db.commit()
    done = client.get(f"/api/invitation-lists/{list_id}", headers=ada).get_json()
    first, second = client.get(f"/api/invitation-lists/{list_id}/lines", headers=ada).get_json()["items"]

    assert (made.status_code, made.get_json()["new"], made.get_json()["bad"]) == (201, 1, 1)
    assert (own.status_code, let.status_code, let.get_json()["state"]) == (409, 200, "inviting")
    assert (done["state"], done["invited"]) == ("done", 1)
    assert (first["fate"], second["pointer"]) == ("invited", "/pool")
    assert "p1@example.com" not in client.get("/api/invitation-lists", headers=ada).text
    listed = client.get("/api/invitation-lists?team=acme&state=done", headers=ada).get_json()["items"]
    assert [one["id"] for one in listed] == [list_id]
    assert client.post("/api/invitation-lists?team=acme", headers=ada, data=b"nothing\n").status_code == 422
