"""What an owner put in, and what is reserved before work starts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from payments import ledger, money
from payments.ledger import BANK, FUNDS, HOUSE, RESERVE, AccountName, Entry, Line
from payments.models import Reserve

# The platform's fee on every answer, in hundredths of a per cent; it is reserved and earned with the answer.
FEE_BASIS_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class Funds:
    """What one owner holds in one currency, in ledger units."""

    currency: str
    exponent: int
    available: int
    reserved: int
    spent: int


def with_fee(amount: int) -> int:
    """What an answer costs its requester: the worker's price and the platform's fee."""
    return amount + money.share(amount, FEE_BASIS_POINTS)


def top_up(db: Session, *, owner_ref: str, currency: str, amount: int, bank_reference: str, actor_ref: str) -> str:
    """Book money that the bank says has arrived. The bank's reference books once, however often it is sent."""
    line = Line(AccountName(BANK, HOUSE, currency), AccountName(FUNDS, owner_ref, currency), amount)
    entry = Entry(f"fund:{bank_reference}", "top_up", owner_ref, actor_ref, (line,))
    return ledger.post(db, [entry]).ids[entry.key]


_ADD = text("""
    INSERT INTO reserves AS r (cause_ref, owner_ref, currency, reserved)
    VALUES (:cause_ref, :owner_ref, :currency, :amount)
    ON CONFLICT (cause_ref) DO UPDATE SET reserved = r.reserved + excluded.reserved
""")


def reserve(db: Session, *, owner_ref: str, cause_ref: str, key: str, currency: str, amount: int) -> None:
    """Set money aside for a cause, once per key. Raises `InsufficientFunds` if the owner holds less."""
    line = Line(AccountName(FUNDS, owner_ref, currency), AccountName(RESERVE, cause_ref, currency), amount)
    posted = ledger.post(db, [Entry(f"res:{key}", "reserve", cause_ref, owner_ref, (line,))])
    if posted.fresh:
        db.execute(_ADD, {"cause_ref": cause_ref, "owner_ref": owner_ref, "currency": currency, "amount": amount})


@dataclass(frozen=True, slots=True)
class Rest:
    """A part of a cause's reserve that will not be needed, in ledger units: given back once per key."""

    cause_ref: str
    key: str
    amount: int


_RETURN = text("""
    UPDATE reserves r SET released = r.released + s.amount
      FROM unnest(CAST(:causes AS text[]), CAST(:amounts AS bigint[])) AS s(cause_ref, amount)
     WHERE r.cause_ref = s.cause_ref
""")


def release(db: Session, rests: Sequence[Rest], *, actor_ref: str) -> None:
    """Give what was reserved and not spent back to its owners, all in one set."""
    wanted = [rest for rest in rests if rest.amount > 0]
    held = _held(db, {rest.cause_ref for rest in wanted})
    entries = {_release_entry(rest, held[rest.cause_ref], actor_ref): rest for rest in wanted}
    posted = ledger.post(db, list(entries))
    by_cause: dict[str, int] = defaultdict(int)
    for entry, rest in entries.items():
        by_cause[rest.cause_ref] += rest.amount if entry.key in posted.fresh else 0
    if by_cause:
        causes = sorted(by_cause)
        db.execute(_RETURN, {"causes": causes, "amounts": [by_cause[cause] for cause in causes]})


def _held(db: Session, causes: set[str]) -> dict[str, Reserve]:
    rows = select(Reserve).where(Reserve.cause_ref.in_(causes)).order_by(Reserve.cause_ref).with_for_update()
    return {reserve.cause_ref: reserve for reserve in db.scalars(rows)} if causes else {}


def _release_entry(rest: Rest, held: Reserve, actor_ref: str) -> Entry:
    reserve = AccountName(RESERVE, rest.cause_ref, held.currency)
    funds = AccountName(FUNDS, held.owner_ref, held.currency)
    return Entry(f"rel:{rest.key}", "release", rest.cause_ref, actor_ref, (Line(reserve, funds, rest.amount),))


def spent(db: Session, cause_refs: Sequence[str]) -> int:
    """What has been spent out of these causes' reserves, in ledger units of their one currency."""
    return sum(db.scalars(select(Reserve.spent).where(Reserve.cause_ref.in_(cause_refs))))


_OF_OWNER = text("""
    SELECT c.code AS currency, c.ledger_exponent AS exponent,
           coalesce((SELECT b.credits - b.debits FROM accounts a JOIN balances b ON b.account_id = a.id
                      WHERE a.role = 'funds' AND a.owner_ref = :owner_ref AND a.currency = c.code), 0) AS available,
           coalesce(sum(r.reserved - r.spent - r.released), 0) AS reserved, coalesce(sum(r.spent), 0) AS spent
      FROM currencies c LEFT JOIN reserves r ON r.currency = c.code AND r.owner_ref = :owner_ref
     WHERE EXISTS (SELECT FROM accounts a WHERE a.role = 'funds' AND a.owner_ref = :owner_ref AND a.currency = c.code)
     GROUP BY c.code, c.ledger_exponent ORDER BY c.code
""")


def of_owner(db: Session, owner_ref: str) -> list[Funds]:
    """What an owner holds, reserves and has spent, in every currency they ever used."""
    rows = db.execute(_OF_OWNER, {"owner_ref": owner_ref})
    return [Funds(r.currency, r.exponent, int(r.available), int(r.reserved), int(r.spent)) for r in rows]
