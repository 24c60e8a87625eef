"""The house's own accounts that rails pay from: entered by one person, in force when another has confirmed them."""

from collections.abc import Mapping

import schwifty
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound
from payments import four_eyes, rails
from payments.files import nacha
from payments.models import PayingAccount
from payments.rails import Rail


class PayingAccountMissing(Conflict):
    """Nobody has said which account this rail pays from."""


class PayingAccountInvalid(Invalid):
    """This is no account that the rail could pay from."""


class NoSuchPayingAccount(NotFound):
    """There is no such paying account."""


def enter(db: Session, *, rail: str, details: Mapping[str, str], entered_by: str) -> PayingAccount:
    """An account that a rail is to pay from, once another person has confirmed it."""
    chosen = rails.find(rail)
    _check(chosen, details)
    made = PayingAccount(id=ids.new("pac"), rail=chosen.name, details=dict(details), entered_by=entered_by)
    db.add(made)
    db.flush()
    return made


def _check(rail: Rail, details: Mapping[str, str]) -> None:
    if set(details) != set(rail.payer):
        wanted = ", ".join(rail.payer) or "nothing"
        raise _wrong("", f"{rail.name} takes {wanted}.")
    if "iban" in details and not schwifty.IBAN(details["iban"], allow_invalid=True).is_valid:
        raise _wrong("/iban", "Is no IBAN.")
    if "bic" in details and not schwifty.BIC(details["bic"], allow_invalid=True).is_valid:
        raise _wrong("/bic", "Is no BIC.")
    if "routing" in details and not nacha.is_routing(details["routing"]):
        raise _wrong("/routing", "Is no routing number.")


def _wrong(pointer: str, reason: str) -> PayingAccountInvalid:
    return PayingAccountInvalid(reason, errors=[{"pointer": f"/details{pointer}", "reason": reason}])


def confirm(db: Session, account_id: str, *, confirmed_by: str) -> PayingAccount:
    """Put an account into force, as another person than who entered it; twice changes nothing."""
    account = db.get(PayingAccount, account_id, with_for_update=True, populate_existing=True)
    if account is None:
        raise NoSuchPayingAccount("There is no such paying account.")
    if account.confirmed_by is None:
        four_eyes.other_person(account.entered_by, confirmed_by)
        account.confirmed_by, account.confirmed_at = confirmed_by, clock.now(db)
        db.flush()
    return account


def of_rail(db: Session, rail: Rail) -> str | None:
    """The newest confirmed account that a rail pays from; None if its files do not say that."""
    if not rail.payer:
        return None
    rows = select(PayingAccount.id).where(PayingAccount.rail == rail.name, PayingAccount.confirmed_by.is_not(None))
    found = db.scalar(rows.order_by(PayingAccount.id.desc()).limit(1))
    if found is None:
        raise PayingAccountMissing(f"Enter the account that {rail.name} pays from, and have it confirmed.")
    return found


def details_of(db: Session, account_id: str | None) -> Mapping[str, str]:
    """What files say of an account; nothing without one."""
    return {} if account_id is None else db.get_one(PayingAccount, account_id).details


def listed() -> Select[PayingAccount]:
    """All of them, those of the past included."""
    return select(PayingAccount)
