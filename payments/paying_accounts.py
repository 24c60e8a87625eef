"""The house's own accounts that rails pay from: entered by one person, in force when another has confirmed them.

What banks say is read of these accounts alone. So every rail may name the one that its money lies on, `account`, as
statements call it, whether or not its files say that.
"""

import re
from collections.abc import Callable, Mapping

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import destinations, four_eyes, rails
from payments.files import nacha
from payments.models import PayingAccount
from payments.rails import Rail

_LONGEST = 140
_ACCOUNT = "account"
# What is neither an IBAN nor a name, by what must be true of it.
_SHAPES: Mapping[str, tuple[Callable[[str], object], str]] = {
    "routing": (nacha.is_routing, "Is no routing number."),
    "company_id": (re.compile("[A-Z0-9]{1,10}").fullmatch, "Must be 1 to 10 capital letters and digits."),
    "account": (re.compile("[A-Za-z0-9]{1,34}").fullmatch, "Must be 1 to 34 letters and digits."),
    "currency": (re.compile("[A-Z]{3}").fullmatch, "Must be a currency code such as USD."),
}


class PayingAccountMissing(Conflict):
    """Nobody has said which account this rail pays from."""


class PayingAccountInvalid(Invalid):
    """This is no account that the rail could pay from."""


class NoSuchPayingAccount(NotFound):
    """There is no such paying account."""


def enter(db: Session, *, rail: str, details: Mapping[str, object], entered_by: str) -> PayingAccount:
    """An account that a rail is to pay from, once another person has confirmed it.

    Raises subclasses of `Invalid` with pointers below /details.
    """
    chosen = rails.find(rail)
    with within("/details"):
        read = _read(chosen, details)
    made = PayingAccount(id=ids.new("pac"), rail=chosen.name, details=read, entered_by=entered_by)
    db.add(made)
    db.flush()
    return made


def _read(rail: Rail, details: Mapping[str, object]) -> dict[str, str]:
    """What the rail's files and its bank's statements say of an account, in one spelling."""
    known = rail.payer if {"iban", _ACCOUNT} & set(rail.payer) else (*rail.payer, _ACCOUNT)
    required = rail.payer or known
    text = {name: value for name, value in details.items() if isinstance(value, str) and _is_plain(value)}
    wrong = [(_escaped(name), "Unknown field.") for name in details if name not in known]
    wrong += [(name, "Missing data for required field.") for name in required if name not in details]
    plain = f"Must be text of 1 to {_LONGEST} printable characters."
    wrong += [(name, plain) for name in known if name in details and name not in text]
    if not wrong:
        wrong = [(name, reason) for name, (shape, reason) in _SHAPES.items() if name in text and not shape(text[name])]
    if wrong:
        errors = [{"pointer": f"/{name}", "reason": reason} for name, reason in wrong]
        raise PayingAccountInvalid(f"{rail.name} takes {', '.join(known)}.", errors=errors)
    account: dict[str, object] = {name: text[name] for name in ("iban", "bic") if name in text}
    return {**text, **(destinations.parse("iban", account).fields if "iban" in account else {})}


def _is_plain(value: str) -> bool:
    return 1 <= len(value) <= _LONGEST and value.isprintable() and value.strip() == value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


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
