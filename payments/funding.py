"""What an owner put in, and what is reserved before work starts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import ledger, money
from payments.ledger import BANK, FUNDS, HOUSE, RAIL_FEE, RESERVE, AccountName, Entry, Line
from payments.models import Owner, Presentation, Reserve

# The platform's fee on every answer where no contract says another, in hundredths of a per cent.
FEE_BASIS_POINTS = 2_000


class OwnerUnknown(Invalid):
    """Nobody keeps money here under this name."""


class FeeTooHigh(Invalid):
    """A processor keeps less than what it was paid."""


@dataclass(frozen=True, slots=True)
class Funds:
    """What one owner holds in one currency, in ledger units."""

    currency: str
    exponent: int
    available: int
    reserved: int
    spent: int


def with_fee(amount: int, basis_points: int = FEE_BASIS_POINTS) -> int:
    """What an answer costs its requester: the worker's price and the platform's fee, rounded half to even."""
    return amount + money.share(amount, basis_points)


def with_fee_sql(amount: str, basis_points: str) -> str:
    """SQL: `with_fee` of these expressions, for whoever adds up many."""
    parts = f"(CAST({amount} AS numeric) * {basis_points})"
    even = f"CASE WHEN mod({parts}, 20000) = 5000 THEN 1 ELSE 0 END"
    return f"CAST({amount} + div({parts} + 5000 - {even}, 10000) AS bigint)"


_OPEN = text("INSERT INTO owners (owner_ref) VALUES (:owner_ref) ON CONFLICT DO NOTHING")


def register(db: Session, owner_ref: str) -> None:
    """Let somebody whom another package knows put money in."""
    db.execute(_OPEN, {"owner_ref": owner_ref})


def top_up(
    db: Session, *, owner_ref: str, currency: str, amount: int, bank_reference: str, actor_ref: str, fee: int = 0
) -> str:
    """Book money that the bank says has arrived. The bank's reference books once, however often it is sent.

    fee : what a processor kept of it, at the house's cost: the owner has the whole amount, and the bank the rest.
    """
    if db.get(Owner, owner_ref) is None:
        wrong = {"pointer": "/owner_ref", "reason": "Is nobody's."}
        raise OwnerUnknown("Money for nobody would be hard to find again; look the requester up.", errors=[wrong])
    if fee >= amount:
        wrong = {"pointer": "/fee", "reason": "Must be less than the amount."}
        raise FeeTooHigh("The amount is what was paid in; the fee is what the processor kept of it.", errors=[wrong])
    funds = AccountName(FUNDS, owner_ref, currency)
    lines = [Line(AccountName(BANK, HOUSE, currency), funds, amount - fee)]
    lines += [Line(AccountName(RAIL_FEE, HOUSE, currency), funds, fee)] if fee else []
    entry = Entry(f"fund:{bank_reference}", "top_up", owner_ref, actor_ref, tuple(lines))
    return ledger.post(db, [entry]).ids[entry.key]


def _of_contract(columns: str, owner_ref: str) -> str:
    """SQL of the contract in force now; one that is confirmed later, or is for later, has no say."""
    return f"""SELECT {columns} FROM contracts c
             WHERE c.owner_ref = {owner_ref} AND c.confirmed_by IS NOT NULL AND c.valid_from <= now()
             ORDER BY c.valid_from DESC, c.id DESC LIMIT 1"""


def presentation_sql(owner_ref: str) -> str:
    """SQL: how what this owner pays for is presented now, for whoever posts many: by their contract, or an agent's."""
    return f"coalesce(({_of_contract('c.presentation', owner_ref)}), 'agent')"


_TERMS = f"""
    SELECT coalesce(max(fee_basis_points), {FEE_BASIS_POINTS}) AS fee,
           coalesce(max(contingency_basis_points), 0) AS contingency,
           coalesce(max(presentation), 'agent') AS presentation
      FROM ({_of_contract("c.fee_basis_points, c.contingency_basis_points, c.presentation", ":owner_ref")}) newest"""
_IN_FORCE = text(_TERMS)
_FIX = text(f"""
    INSERT INTO reserves (cause_ref, owner_ref, currency, fee_basis_points)
    SELECT :cause_ref, :owner_ref, :currency, t.fee FROM ({_TERMS}) t
    ON CONFLICT (cause_ref) DO NOTHING
""")
_FEES = text("SELECT cause_ref, fee_basis_points FROM reserves WHERE cause_ref = ANY(:causes)")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for what an owner pays for now. fee : in hundredths of a per cent."""

    fee: int
    presentation: Presentation


def terms_in_force(db: Session, owner_ref: str) -> Terms:
    """Fee and presentation of what an owner pays for now: their contract's."""
    row = db.execute(_IN_FORCE, {"owner_ref": owner_ref}).one()
    return Terms(int(row.fee), Presentation(row.presentation))


def fee_in_force(db: Session, owner_ref: str) -> int:
    """The fee of what an owner pays for now, in hundredths of a per cent: their contract's."""
    return terms_in_force(db, owner_ref).fee


def contingency_in_force(db: Session, owner_ref: str) -> int:
    """What an owner's contract sets aside for the floor beside each reserve, in hundredths of a per cent of it."""
    return int(db.execute(_IN_FORCE, {"owner_ref": owner_ref}).one().contingency)


def fees_of(db: Session, cause_refs: Iterable[str]) -> dict[str, int]:
    """The fee of each cause that money was reserved for, in hundredths of a per cent."""
    return {row.cause_ref: row.fee_basis_points for row in db.execute(_FEES, {"causes": sorted(set(cause_refs))})}


def fix_fee(db: Session, *, owner_ref: str, cause_ref: str, currency: str) -> int:
    """The fee of a cause: that of the first reserve, for ever. The caller reserves something for it at once."""
    known = fees_of(db, [cause_ref])
    if not known:
        db.execute(_FIX, {"cause_ref": cause_ref, "owner_ref": owner_ref, "currency": currency})
        known = fees_of(db, [cause_ref])
    return known[cause_ref]


@dataclass(frozen=True, slots=True)
class Aside:
    """Money to be set aside for a cause, once per key, in ledger units.

    contingency : how much of the amount is for lifting pay to the floor, and for nothing else.
    """

    cause_ref: str
    key: str
    amount: int
    contingency: int = 0


_ADD = text("""
    UPDATE reserves r SET reserved = r.reserved + a.amount, contingency = r.contingency + a.contingency
      FROM unnest(CAST(:causes AS text[]), CAST(:amounts AS bigint[]), CAST(:contingencies AS bigint[]))
           AS a(cause_ref, amount, contingency)
     WHERE r.cause_ref = a.cause_ref
""")


def reserve(
    db: Session, *, owner_ref: str, cause_ref: str, key: str, currency: str, amount: int, contingency: int = 0
) -> None:
    """Set money aside for a cause, once per key. Raises `InsufficientFunds` if the owner holds less."""
    reserve_all(db, [Aside(cause_ref, key, amount, contingency)], owner_ref=owner_ref, currency=currency)


def reserve_all(db: Session, wanted: Sequence[Aside], *, owner_ref: str, currency: str) -> None:
    """Set money aside for causes that differ, all in one posting or none. Raises `InsufficientFunds`."""
    if sum(one.amount for one in wanted) > money.AMOUNT_MAX:
        raise ledger.InsufficientFunds("Nobody holds that much; make the batch smaller or its rates lower.")
    source = AccountName(FUNDS, owner_ref, currency)
    entries = {
        Entry(
            f"res:{one.key}", "reserve", one.cause_ref, owner_ref,
            (Line(source, AccountName(RESERVE, one.cause_ref, currency), one.amount),),
        ): one
        for one in wanted
    }  # fmt: skip
    posted = ledger.post(db, list(entries))
    fresh = sorted((one for entry, one in entries.items() if entry.key in posted.fresh), key=lambda one: one.cause_ref)
    known = fees_of(db, [one.cause_ref for one in fresh])
    for one in fresh:
        if one.cause_ref not in known:
            fix_fee(db, owner_ref=owner_ref, cause_ref=one.cause_ref, currency=currency)
    columns = {
        "causes": [one.cause_ref for one in fresh],
        "amounts": [one.amount for one in fresh],
        "contingencies": [one.contingency for one in fresh],
    }
    db.execute(_ADD, columns)


@dataclass(frozen=True, slots=True)
class Rest:
    """A part of a cause's reserve that leaves it, in ledger units: spent or given back, once per key."""

    cause_ref: str
    key: str
    amount: int


_PRESENTED = text(f"SELECT {presentation_sql('r.owner_ref')} FROM reserves r WHERE r.cause_ref = :cause_ref")


def presentation_of(db: Session, cause_ref: str) -> Presentation:
    """How what is paid out of a cause's reserve is presented now."""
    return Presentation(db.execute(_PRESENTED, {"cause_ref": cause_ref}).scalar_one())


_OWNERS = text("SELECT cause_ref, owner_ref, currency FROM reserves WHERE cause_ref = ANY(:causes)")


def release(db: Session, rests: Sequence[Rest], *, actor_ref: str) -> None:
    """Give what was reserved and not spent back to its owners, all in one set."""
    entries = release_entries(db, rests, actor_ref=actor_ref)
    posted = ledger.post(db, list(entries))
    book(db, released=[rest for entry, rest in entries.items() if entry.key in posted.fresh])


def release_entries(db: Session, rests: Sequence[Rest], *, actor_ref: str) -> dict[Entry, Rest]:
    """The entries that give rests back, for whoever posts them together with others; `book` them when posted."""
    assert all(rest.amount >= 0 for rest in rests), "more was spent than reserved"
    wanted = [rest for rest in rests if rest.amount > 0]
    rows = db.execute(_OWNERS, {"causes": sorted({rest.cause_ref for rest in wanted})}) if wanted else ()
    held = {row.cause_ref: row for row in rows}
    return {_release_entry(rest, held[rest.cause_ref], actor_ref): rest for rest in wanted}


def _release_entry(rest: Rest, held: Any, actor_ref: str) -> Entry:
    reserve = AccountName(RESERVE, rest.cause_ref, held.currency)
    funds = AccountName(FUNDS, held.owner_ref, held.currency)
    return Entry(f"rel:{rest.key}", "release", rest.cause_ref, actor_ref, (Line(reserve, funds, rest.amount),))


_DRAW = text("""
    UPDATE reserves r SET contingency = r.contingency - d.amount
      FROM unnest(CAST(:causes AS text[]), CAST(:amounts AS bigint[])) AS d(cause_ref, amount)
     WHERE r.cause_ref = d.cause_ref
""")


def draw_contingency(db: Session, cause_ref: str, amount: int) -> None:
    """Say that so much of what is set aside for the floor is not any more; what became of it is booked after this."""
    db.execute(_DRAW, {"causes": [cause_ref], "amounts": [amount]})


def release_contingency(db: Session, rest: Rest, *, actor_ref: str) -> None:
    """Give what was set aside for the floor and is not needed back to its owner, once per key."""
    entries = release_entries(db, [rest], actor_ref=actor_ref)
    posted = ledger.post(db, list(entries))
    if posted.fresh:
        draw_contingency(db, rest.cause_ref, rest.amount)
        book(db, released=[rest])


_BOOK = text("""
    UPDATE reserves r SET spent = r.spent + s.spent, released = r.released + s.released
      FROM unnest(CAST(:causes AS text[]), CAST(:spent AS bigint[]), CAST(:released AS bigint[]))
           AS s(cause_ref, spent, released)
     WHERE r.cause_ref = s.cause_ref
""")


def book(db: Session, *, spent: Sequence[Rest] = (), released: Sequence[Rest] = ()) -> None:
    """Move the totals of reserves along with what was just posted out of them.

    Always after the posting: whoever touches reserves holds the balances' locks already, and nobody waits in a circle.
    """
    moved: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for column, parts in enumerate((spent, released)):
        for part in parts:
            moved[part.cause_ref][column] += part.amount
    if moved:
        causes = sorted(moved)
        columns = {"spent": [moved[cause][0] for cause in causes], "released": [moved[cause][1] for cause in causes]}
        db.execute(_BOOK, {"causes": causes, **columns})


def spent(db: Session, cause_refs: Sequence[str]) -> int:
    """What has been spent out of these causes' reserves, in ledger units of their one currency."""
    return sum(db.scalars(select(Reserve.spent).where(Reserve.cause_ref.in_(cause_refs))))


def available(db: Session, owner_ref: str, currency: str) -> int:
    """What an owner has free to spend in one currency, in ledger units."""
    return ledger.balance(db, FUNDS, owner_ref, currency)


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
