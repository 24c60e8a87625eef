"""What customers' bookkeeping calls our accounts: one code for a role, or for a single account of it."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import IO

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation.errors import Conflict, Invalid, invalid
from payments import ledger
from payments.files import cells
from payments.files.reading import Unreadable
from payments.files.rows import read_rows
from payments.models import AccountCode

# A role, or role:owner.
ACCOUNT = re.compile(r"[a-z_]{1,40}(:[!-~]{1,64})?")
CODE_LONGEST = 60
MOST = 2000
_SHOWN = 50


class AccountCodeInvalid(Invalid):
    """An account cannot be called that."""


class AccountCodesUnreadable(Invalid):
    """The file is no table of account codes."""


class AccountCodesMissing(Conflict):
    """Some accounts have no code in the customer's books."""


def replace(db: Session, codes: Mapping[str, str], *, set_by: str) -> None:
    """Let these be all the codes there are, by account (role:owner) or by role. What was exported stays as it was."""
    errors = [*filter(None, (_fault(place, *one) for place, one in enumerate(codes.items())))]
    if errors:
        raise AccountCodeInvalid("Name accounts of the books, and give each a code that is plain text.", errors=errors)
    # One at a time, or two would leave a mixture.
    db.execute(text("SELECT pg_advisory_xact_lock(7265050)"))
    db.execute(text("DELETE FROM account_codes"))
    db.add_all(AccountCode(account=account, code=code, set_by=set_by) for account, code in codes.items())
    db.flush()


def _fault(place: int, account: str, code: str) -> dict[str, str] | None:
    role = account.partition(":")[0]
    if not ACCOUNT.fullmatch(account) or role not in ledger.ROLES:
        return {"pointer": f"/items/{place}/account", "reason": "Is no role of an account, nor role:owner."}
    if not 0 < len(code) <= CODE_LONGEST or not code.isprintable() or cells.runs(code):
        return {"pointer": f"/items/{place}/code", "reason": "Would not be plain text in a spreadsheet."}
    return None


def distinct(items: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Pairs of account and code as a mapping; an account that is there twice is refused."""
    codes: dict[str, str] = {}
    for place, item in enumerate(items):
        if item["account"] in codes:
            raise invalid({"items": {place: {"account": ["Is there twice."]}}})
        codes[item["account"]] = item["code"]
    return codes


def read(file: IO[bytes]) -> dict[str, str]:
    """The codes of a CSV file whose columns are account and code. Raises `AccountCodesUnreadable` with the line."""
    codes: dict[str, str] = {}
    try:
        rows = read_rows(file, ",")
        if next(rows, (0, []))[1] != ["account", "code"]:
            raise AccountCodesUnreadable("The first line must be account,code.")
        for line, row in rows:
            if len(row) != 2 or row[0] in codes or len(codes) == MOST:
                raise AccountCodesUnreadable(
                    f"Line {line} is no account with its code, is there twice, or is too many."
                )
            codes[row[0]] = row[1]
    except Unreadable as error:
        raise AccountCodesUnreadable(str(error)) from error
    return codes


def listed() -> Select[AccountCode]:
    """All codes."""
    return select(AccountCode)


_MISSING = text("""
    SELECT r.role FROM (SELECT DISTINCT role FROM accounts) r
     WHERE NOT EXISTS (SELECT FROM account_codes c WHERE c.account = r.role)
       AND EXISTS (SELECT FROM accounts a
                     JOIN journal_lines l ON l.debit_id = a.id OR l.credit_id = a.id
                     JOIN journal_entries e ON e.id = l.entry_id
                    WHERE a.role = r.role AND e.effective_on BETWEEN :first AND :last
                      AND NOT EXISTS (SELECT FROM account_codes c WHERE c.account = a.role || ':' || a.owner_ref))
     ORDER BY 1
""")


def require(db: Session, first: date, last: date) -> None:
    """Refuse if an account that moved on these days has no code; all their roles are named."""
    missing = list(db.scalars(_MISSING, {"first": first, "last": last}))
    if missing:
        raise AccountCodesMissing(
            f"There is no code for {', '.join(missing[:_SHOWN])}; enter one for each with PUT /api/account-codes.",
            accounts=missing[:_SHOWN],
        )
