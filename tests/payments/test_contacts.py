"""Contacts: where payees are told of changes, and that whoever takes an account over cannot keep that quiet."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import addresses, jobs, mail
from foundation.addresses import AddressMalformed
from foundation.mail import Mail
from foundation.proofs import ProofRefused
from payments import contacts, holds, methods, payees, runs, sealing
from payments.contacts import CHANGES_MAX, ContactChangedOften, ContactProved, NoContact
from payments.models import Payee, PayeeContact, PayoutRun
from payments.sealing import SealBroken, SealKeyMissing, SealKeyUnknown
from tests import factories
from tests.conftest import House, age, held_up
from tests.foundation import post_office
from tests.foundation.post_office import PostOffice
from tests.payments import owed

HOURS_72 = 72 * 3600
IBAN, OTHER = "DE89370400440532013000", "GB33BUKB20201555555555"


def _tell_at(db: Session, payee: Payee, email: str) -> PayeeContact:
    return contacts.choose(db, payee.id, email=email, set_by=payee.owner_ref)


def _pay_to(db: Session, payee: Payee, iban: str = IBAN) -> None:
    methods.choose(db, payee.id, rail="sepa", kind="iban", given={"iban": iban}, set_by=payee.owner_ref)


def _told(db: Session) -> list[tuple[str | None, str]]:
    """Whom mails are to, and what each is about; they are gone then."""
    db.flush()
    found = [(one.address, one.about[:3]) for one in db.scalars(select(Mail).order_by(Mail.id))]
    db.execute(text("UPDATE mails SET state = 'sent', ended_at = now(), address = NULL, body = NULL"))
    db.expire_all()
    return [(address, about) for address, about in found if address is not None]


def _payee(db: Session, *emails: str) -> Payee:
    """Somebody whose contacts were these, the last one now; all of it long ago."""
    made = owed.payee(db, rail=None)
    for email in emails:
        _tell_at(db, made, email)
        age(db, "payee_contacts", "retired_at", 2 * HOURS_72)
    _told(db)
    return made


def _prepare(db: Session) -> PayoutRun:
    return owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="finance"))


# A contact


def test_a_contact_is_sealed_for_its_payee_and_shown_masked(db: Session) -> None:
    ada, ben = _payee(db), _payee(db)

    made = _tell_at(db, ada, "Ada.Lovelace@Example.com")

    assert (made.masked, contacts.find_active(db, ada.id).id) == ("A***@example.com", made.id)
    assert b"Lovelace" not in bytes(made.sealed)
    keys = sealing.keys_of(db)
    assert sealing.unseal(bytes(made.sealed), keys, owner=f"contact:{ada.id}").fields["email"].startswith("Ada.")
    for owner in (ada.id, ben.id, f"contact:{ben.id}"):
        with pytest.raises(SealBroken):
            sealing.unseal(bytes(made.sealed), keys, owner=owner)


def test_the_same_contact_again_changes_nothing_and_tells_nobody(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    again = _tell_at(db, ada, "ada@EXAMPLE.com")

    assert (again.retired_at, len(contacts.known(db, ada.id))) == (None, 1)
    assert _told(db) == []


def test_the_first_contact_is_told_so_that_a_slip_shows(db: Session) -> None:
    _tell_at(db, _payee(db), "ada@example.com")

    assert _told(db) == [("ada@example.com", "pct")]


def test_what_is_no_address_changes_nothing(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    with pytest.raises(AddressMalformed) as refused:
        _tell_at(db, ada, "eve@example.com\r\nBcc: ada@example.com")

    assert [error["pointer"] for error in refused.value.errors] == ["/email"]
    assert contacts.find_active(db, ada.id).masked == "a***@example.com"
    assert _told(db) == []


def test_without_keys_no_contact_is_taken(db: Session) -> None:
    ada = _payee(db)
    db.info.pop("destination_keys")

    with pytest.raises(SealKeyMissing):
        _tell_at(db, ada, "ada@example.com")
    with pytest.raises(NoContact):
        contacts.find_active(db, ada.id)


# Who is told


def test_a_changed_method_is_told_to_the_contact(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    _pay_to(db, ada)
    _pay_to(db, ada, OTHER)

    assert _told(db) == [("ada@example.com", "pym")] * 2


def test_the_same_method_again_is_told_to_nobody(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    _pay_to(db, ada)
    _told(db)

    _pay_to(db, ada)

    assert _told(db) == []


def test_a_changed_contact_is_told_to_the_one_before_and_to_the_new_one(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    _tell_at(db, ada, "eve@example.com")

    assert _told(db) == [("ada@example.com", "pct"), ("eve@example.com", "pct")]


def test_whoever_changes_the_contact_first_and_the_method_after_silences_nobody(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    for email in ("eve@example.com", "mallory@example.com"):
        _tell_at(db, ada, email)
    age(db, "payee_contacts", "retired_at", HOURS_72 - 60)
    _told(db)

    _pay_to(db, ada, OTHER)

    assert [address for address, _ in _told(db)] == ["ada@example.com", "eve@example.com", "mallory@example.com"]


def test_a_contact_that_was_left_72_hours_ago_is_told_no_more(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    _tell_at(db, ada, "new@example.com")
    age(db, "payee_contacts", "retired_at", HOURS_72)
    _told(db)

    _pay_to(db, ada)

    assert [address for address, _ in _told(db)] == ["new@example.com"]
    assert contacts.KNOWN_FOR == methods.COOLING == timedelta(seconds=HOURS_72)


def test_a_contact_that_left_and_came_back_is_told_once(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    for email in ("eve@example.com", "ada@example.com"):
        _tell_at(db, ada, email)
    _told(db)

    _pay_to(db, ada)

    assert sorted(address or "" for address, _ in _told(db)) == ["ada@example.com", "eve@example.com"]


def test_no_flood_of_contacts_washes_the_first_one_out(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    for number in range(CHANGES_MAX):
        _tell_at(db, ada, f"eve{number}@example.com")

    with pytest.raises(ContactChangedOften, match="72 hours"):
        _tell_at(db, ada, "late@example.com")

    _told(db)
    _pay_to(db, ada)
    assert _told(db)[0] == ("ada@example.com", "pym")
    assert len(contacts.known(db, ada.id)) == CHANGES_MAX + 1


def test_a_payee_without_a_contact_is_told_nothing_and_found_by_finance(db: Session) -> None:
    ada, ben = _payee(db, "ada@example.com"), _payee(db)
    _pay_to(db, ben)

    assert _told(db) == []
    reached = set(db.scalars(payees.listed(has_contact=True)))
    assert (ada in reached, ben in reached) == (True, False)
    assert set(db.scalars(payees.listed())) - reached == set(db.scalars(payees.listed(has_contact=False)))


def test_where_a_contact_cannot_be_told_nothing_is_changed_either(db: Session) -> None:
    ada = _payee(db, "ada@example.com")
    db.info["destination_keys"] = f"other:{base64.b64encode(b'o' * 32).decode()}"

    with pytest.raises(SealKeyUnknown), db.begin_nested():
        _pay_to(db, ada)

    assert methods.active(db, ada.id) is None


def test_a_change_waits_for_another_of_the_same_payee(house: House) -> None:
    with house.sessions() as db:
        ada = _payee(db, "ada@example.com")
        db.refresh(ada)
        db.commit()
    with house.sessions() as db:
        _tell_at(db, ada, "eve@example.com")
        with held_up(house, lambda other: _pay_to(other, ada)) as changing:
            assert not changing.done()
            db.commit()
            changing.result(10)

        told = {one.address for one in db.scalars(select(Mail).where(Mail.about.like("pym%")))}
    assert told == {"ada@example.com", "eve@example.com"}


# Proving that it is theirs


def test_a_contact_is_proved_by_what_was_sent_there_and_once(db: Session) -> None:
    ada = _payee(db)
    made = _tell_at(db, ada, "ada@example.com")
    secret = factories.secret_about(db, made.id)

    before = contacts.proved_address(db, ada.id)
    contacts.prove(db, ada.id, secret=secret)

    assert (before, contacts.proved_address(db, ada.id)) == (None, "ada@example.com")
    with pytest.raises(ProofRefused):
        contacts.prove(db, ada.id, secret=secret)


def test_what_was_sent_to_somebody_else_proves_nothing_and_stays_theirs(db: Session) -> None:
    ada, eve = _payee(db), _payee(db)
    secret = factories.secret_about(db, _tell_at(db, ada, "ada@example.com").id)
    _tell_at(db, eve, "eve@example.com")

    with pytest.raises(ProofRefused):
        contacts.prove(db, eve.id, secret=secret)
    with pytest.raises(ProofRefused):
        contacts.prove(db, _payee(db).id, secret=secret)

    assert contacts.prove(db, ada.id, secret=secret).proved_at is not None


def test_what_was_sent_to_the_contact_before_proves_nothing(db: Session) -> None:
    ada = _payee(db)
    secret = factories.secret_about(db, _tell_at(db, ada, "ada@example.com").id)
    _tell_at(db, ada, "new@example.com")

    with pytest.raises(ProofRefused):
        contacts.prove(db, ada.id, secret=secret)


def test_the_secret_goes_to_the_new_contact_alone(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    _tell_at(db, ada, "eve@example.com")

    rows = text("SELECT address FROM mails WHERE body LIKE '%rp!_%' ESCAPE '!'")
    assert db.scalars(rows).all() == ["eve@example.com"]


def test_another_secret_is_sent_until_the_contact_is_proved(db: Session) -> None:
    ada = _payee(db)
    made = _tell_at(db, ada, "ada@example.com")
    first = factories.secret_about(db, made.id)

    contacts.ask_again(db, ada.id)

    second = factories.secret_about(db, made.id)
    with pytest.raises(ProofRefused):
        contacts.prove(db, ada.id, secret=first)
    contacts.prove(db, ada.id, secret=second)
    with pytest.raises(ContactProved):
        contacts.ask_again(db, ada.id)
    with pytest.raises(NoContact):
        contacts.ask_again(db, _payee(db).id)


def test_a_proved_contact_is_told_until_another_one_is_proved(db: Session) -> None:
    ada = _payee(db)
    made = _tell_at(db, ada, "ada@example.com")
    contacts.prove(db, ada.id, secret=factories.secret_about(db, made.id))
    eves = _tell_at(db, ada, "eve@example.com")
    secret = factories.secret_about(db, eves.id)
    age(db, "payee_contacts", "retired_at", 2 * HOURS_72)
    _told(db)

    _pay_to(db, ada, OTHER)
    while_unproved = [address for address, _ in _told(db)]
    contacts.prove(db, ada.id, secret=secret)
    _pay_to(db, ada)

    assert while_unproved == ["ada@example.com", "eve@example.com"]
    assert [address for address, _ in _told(db)] == ["eve@example.com"]


# What they are told


def test_the_notice_says_what_when_from_when_on_and_what_to_do(db: Session) -> None:
    ada = _payee(db, "ada@example.com")

    _pay_to(db, ada)

    notice, method = db.scalars(select(Mail).where(Mail.body.is_not(None))).one(), methods.find_active(db, ada.id)
    assert notice.about == method.id
    body = notice.body or ""
    for said in (
        "sepa: DE** **** 3000",
        f"set at {method.created_at:%Y-%m-%d %H:%M} UTC",
        f"before {method.cooling_until:%Y-%m-%d %H:%M} UTC",
        "POST /api/me/payout-method/freeze",
    ):
        assert said in body
    assert IBAN[4:] not in body
    assert ada.name not in body


def test_the_notice_really_arrives(house: House) -> None:
    with house.sessions() as db:
        ada = _payee(db, "ada@example.com")
        _pay_to(db, ada)
        db.commit()
        with post_office.opened(PostOffice()) as office:
            db.info.update(mail_url=office.url, mail_from="rookery@example.org")
            jobs.run_steps(db, mail.send_due(db))

    [got] = office.received
    assert (got.to, got.letter["To"]) == (("ada@example.com",), "ada@example.com")
    assert "sepa: DE** **** 3000" in got.letter.get_content()


# Freezing


def test_a_payee_freezes_all_of_their_pay_until_finance_ends_it(db: Session, books: None) -> None:
    ada = owed.payee(db, 50_000)

    frozen = holds.freeze(db, ada.id, made_by=ada.owner_ref)

    run = _prepare(db)
    assert run.n_payouts == 0
    assert holds.freeze(db, ada.id, made_by=ada.owner_ref).id == frozen.id
    holds.end(db, frozen.id, reason="She has called.", ended_by="finance")
    assert _prepare(db).n_payouts == 1
    assert holds.freeze(db, ada.id, made_by=ada.owner_ref).id != frozen.id


def test_a_freeze_holds_for_ninety_days(db: Session) -> None:
    ada = owed.payee(db, 50_000)

    frozen = holds.freeze(db, ada.id, made_by=ada.owner_ref)

    db.refresh(frozen)
    assert frozen.until is not None
    assert frozen.until - frozen.created_at == timedelta(days=holds.DAYS_MAX)


def test_a_hold_of_finance_is_no_freeze(db: Session) -> None:
    ada = owed.payee(db, 50_000)
    placed = holds.place(db, payee_id=ada.id, reason="A court.", made_by="finance", is_legal=True)

    assert holds.freeze(db, ada.id, made_by=ada.owner_ref).id != placed.id


# Over HTTP


def test_a_worker_says_where_they_are_told_and_freezes_their_pay(
    client: FlaskClient, token: Callable[..., str], db: Session
) -> None:
    headers: Any = {"Authorization": f"Bearer {token('worker')}"}
    assert client.get("/api/me/contact", headers=headers).get_json()["type"] == "/problems/no-contact"

    made = client.put("/api/me/contact", headers=headers, json={"email": "ada@example.com"})
    frozen = client.post("/api/me/payout-method/freeze", headers=headers)

    assert (made.status_code, made.get_json()["masked"]) == (200, "a***@example.com")
    assert client.get("/api/me/contact", headers=headers).get_json() == made.get_json()
    assert (frozen.status_code, frozen.get_json()["reason"]) == (200, "Frozen by the payee.")
    shown = client.get("/api/me/holds", headers=headers).get_json()["items"]
    assert [one["id"] for one in shown] == [frozen.get_json()["id"]]
    for sent in ({"email": "ada"}, {"email": 7}, {}, {"email": "ada@example.com", "name": "Ada"}):
        assert client.put("/api/me/contact", headers=headers, json=sent).status_code == 422
    assert "ada@example.com" not in made.text
    assert addresses.mask("ada@example.com") in made.text


def test_a_worker_shows_that_a_contact_is_theirs(client: FlaskClient, token: Callable[..., str], db: Session) -> None:
    headers: Any = {"Authorization": f"Bearer {token('worker')}"}
    made = client.put("/api/me/contact", headers=headers, json={"email": "ada@example.com"}).get_json()
    client.post("/api/me/contact/proof-mail", headers=headers)
    sent = {"secret": factories.secret_about(db, made["id"])}

    wrong = client.post("/api/me/contact/proof", headers=headers, json={"secret": "rp_"})
    proved = client.post("/api/me/contact/proof", headers=headers, json=sent)
    again = client.post("/api/me/contact/proof-mail", headers=headers)

    assert (wrong.status_code, wrong.get_json()["type"]) == (404, "/problems/proof-refused")
    assert (made["proved_at"], proved.status_code, proved.get_json()["id"]) == (None, 200, made["id"])
    assert proved.get_json()["proved_at"] is not None
    assert again.get_json()["type"] == "/problems/contact-proved"


def test_finance_sees_who_has_no_contact(client: FlaskClient, token: Callable[..., str]) -> None:
    finance: Any = {"Authorization": f"Bearer {token('finance')}"}
    worker: Any = {"Authorization": f"Bearer {token('worker')}"}

    def without() -> int:
        return len(client.get("/api/payees?has_contact=false", headers=finance).get_json()["items"])

    before = without()
    client.put("/api/me/contact", headers=worker, json={"email": "ada@example.com"})

    assert (before, without()) == (1, 0)
    assert client.get("/api/payees?has_contact=perhaps", headers=finance).status_code == 422
