"""The accounts that rails pay from: what they must be, and that two people put one into force."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import paying_accounts, rails
from payments.destinations import IbanChecksumWrong
from payments.four_eyes import SamePerson
from payments.paying_accounts import NoSuchPayingAccount, PayingAccountInvalid, PayingAccountMissing
from tests.payments import owed
from tests.payments.owed import ACCOUNTS, APPROVER, PREPARER

SEPA = ACCOUNTS["sepa"]


def _enter(db: Session, rail: str = "sepa", **changes: Any) -> str:
    details = {**ACCOUNTS[rail], **changes}
    return paying_accounts.enter(db, rail=rail, details=details, entered_by=PREPARER).id


def test_an_account_is_in_force_when_another_person_has_confirmed_it(db: Session) -> None:
    account_id = _enter(db)
    with pytest.raises(PayingAccountMissing, match="sepa"):
        paying_accounts.of_rail(db, rails.find("sepa"))

    paying_accounts.confirm(db, account_id, confirmed_by=APPROVER)

    assert paying_accounts.of_rail(db, rails.find("sepa")) == account_id
    assert paying_accounts.details_of(db, account_id) == SEPA


def test_nobody_confirms_what_they_have_entered(db: Session) -> None:
    account_id = _enter(db)

    with pytest.raises(SamePerson):
        paying_accounts.confirm(db, account_id, confirmed_by=PREPARER)
    with pytest.raises(NoSuchPayingAccount):
        paying_accounts.confirm(db, "pac_none", confirmed_by=APPROVER)


def test_confirming_twice_keeps_the_first_name(db: Session) -> None:
    account_id = _enter(db)
    paying_accounts.confirm(db, account_id, confirmed_by=APPROVER)

    again = paying_accounts.confirm(db, account_id, confirmed_by="somebody else")

    assert again.confirmed_by == APPROVER


def test_the_newest_confirmed_account_of_a_rail_pays(db: Session) -> None:
    first, second, _waiting = _enter(db), _enter(db), _enter(db)
    for account_id in (second, first):
        paying_accounts.confirm(db, account_id, confirmed_by=APPROVER)

    assert paying_accounts.of_rail(db, rails.find("sepa")) == second


def test_a_rail_whose_files_name_no_account_needs_none(db: Session) -> None:
    owed.bank_account(db, "000123456789")

    assert paying_accounts.of_rail(db, rails.find("paypal")) is None
    assert paying_accounts.details_of(db, None) == {}


def test_an_account_is_kept_in_one_spelling(db: Session) -> None:
    account_id = _enter(db, iban="de89 3704 0044 0532 0130 00", bic="cobadeffxxx")

    assert paying_accounts.details_of(db, account_id) == SEPA


@pytest.mark.parametrize("rail", ACCOUNTS)
def test_every_rail_that_names_an_account_takes_one(db: Session, rail: str) -> None:
    assert set(ACCOUNTS) == {one.name for one in rails.by_name.values() if one.payer}
    assert _enter(db, rail)


@pytest.mark.parametrize(
    ("rail", "changes", "pointer"),
    [
        ("sepa", {"iban": "DE88370400440532013000"}, "/details/iban"),
        ("sepa", {"bic": "COBA"}, "/details/bic"),
        ("sepa", {"name": ""}, "/details/name"),
        ("sepa", {"name": "a" * 141}, "/details/name"),
        ("sepa", {"name": "Rookery\nLabs"}, "/details/name"),
        ("sepa", {"name": "Rookery\x00"}, "/details/name"),
        ("sepa", {"name": "\ud800"}, "/details/name"),
        ("sepa", {"name": 7}, "/details/name"),
        ("sepa", {"iban": None}, "/details/iban"),
        ("sepa", {"iban": ["DE89"]}, "/details/iban"),
        ("sepa", {"a/b~c": "x"}, "/details/a~1b~0c"),
        ("ach", {"routing": "021000022"}, "/details/routing"),
        ("ach", {"routing": "\u0660" * 9}, "/details/routing"),
        ("ach", {"company_id": "12345678901"}, "/details/company_id"),
        ("ach", {"account": "12 345"}, "/details/account"),
        ("ach", {"account": 12345}, "/details/account"),
        ("sepa", {"account": "12345"}, "/details/account"),
        ("imps", {"account": "=1+1"}, "/details/account"),
        ("wise", {"currency": "usd"}, "/details/currency"),
    ],
)
def test_what_is_no_account_is_refused_where_it_is_wrong(
    db: Session, rail: str, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        _enter(db, rail, **changes)

    assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize("rail", [name for name in rails.by_name if name not in {"sepa", "imps"}])
def test_every_rail_may_name_the_account_at_a_bank_that_its_money_lies_on(db: Session, rail: str) -> None:
    details = {**ACCOUNTS.get(rail, {}), "account": "000123456789"}

    account_id = paying_accounts.enter(db, rail=rail, details=details, entered_by=PREPARER).id

    assert paying_accounts.details_of(db, account_id) == details


def test_what_is_missing_is_named(db: Session) -> None:
    with pytest.raises(PayingAccountInvalid, match="name, iban, bic") as refused:
        paying_accounts.enter(db, rail="sepa", details={}, entered_by=PREPARER)
    assert [error["pointer"] for error in refused.value.errors] == ["/details/name", "/details/iban", "/details/bic"]

    with pytest.raises(PayingAccountInvalid, match="paypal takes account"):
        paying_accounts.enter(db, rail="paypal", details={}, entered_by=PREPARER)
    with pytest.raises(IbanChecksumWrong):
        _enter(db, iban="DE88370400440532013000")
