"""What banks changed money at for runs that pay in another currency than was earned: purchases, and gain and loss.

A run's payouts are posted at its own rate: what was earned and what is paid meet in `fx_clearing`. A purchase takes the
bank's side out of there, and what is left is priced at the run's rate; what that misses is gain or loss. So nothing is
left in either currency once a run is bought for. A payout that fails or comes back afterwards gives its two sides back
to `fx_clearing`: the house has a currency too many until it is changed back, by a purchase the other way.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes, ledger, money, runs
from payments.ledger import BANK, FX_CLEARING, FX_GAIN, FX_LOSS, HOUSE, AccountName, Entry, Line
from payments.models import Currency, FxPurchase, PayoutRun, ProposalState, RunState


class NoSuchPurchase(NotFound):
    """There is no such purchase of a currency."""


class PurchaseUnfit(Conflict):
    """This does not change the money of the run."""


class PurchaseTooMuch(Conflict):
    """The run needs less than that."""


class PurchaseTooFine(Conflict):
    """No bank changes an amount like this."""


class PurchaseExists(Conflict):
    """A purchase with this reference was entered."""


class PurchaseDecided(Conflict):
    """The purchase was posted or refused already."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a run's payouts of one earned currency have in `fx_clearing`, in ledger units of each currency.

    open : of the currency that is paid, what is still to be bought; below zero, what is too many. residue : of the
    earned one, debits less credits; about what `open` costs at the run's rate, below zero. gain : booked so far.
    """

    run_id: str
    currency: str
    exponent: int
    earned_currency: str
    earned_exponent: int
    numerator: int
    denominator: int
    paid: int
    earned: int
    open: int
    residue: int
    gain: int

    def cost(self, paid: int) -> int:
        """What so much of the currency that is paid costs at the run's rate, in the earned one; rounded up."""
        up = money.convert_up(abs(paid), self.denominator, self.numerator, self.exponent, self.earned_exponent)
        return up if paid >= 0 else -up


_POSITIONS = text("""
    WITH paid AS (
        SELECT earned_currency, sum(net + withheld) AS paid, sum(gross) AS earned FROM payouts
         WHERE run_id = :run_id AND state IN ('exported', 'settled') GROUP BY 1
    ), changed AS (
        SELECT earned_currency, sum(gain) AS gain,
               sum(CASE WHEN sold_currency = earned_currency THEN bought ELSE -sold END) AS paid,
               sum(CASE WHEN sold_currency = earned_currency THEN sold ELSE -bought END) AS earned
          FROM fx_purchases WHERE run_id = :run_id AND state = 'posted' GROUP BY 1
    )
    SELECT r.id AS run_id, r.currency, c.ledger_exponent AS exponent, q.currency AS earned_currency,
           e.ledger_exponent AS earned_exponent, f.numerator, f.denominator,
           CAST(coalesce(p.paid, 0) AS bigint) AS paid, CAST(coalesce(p.earned, 0) AS bigint) AS earned,
           CAST(coalesce(p.paid, 0) - coalesce(b.paid, 0) AS bigint) AS open,
           CAST(coalesce(b.earned, 0) - coalesce(p.earned, 0) + coalesce(b.gain, 0) AS bigint) AS residue,
           CAST(coalesce(b.gain, 0) AS bigint) AS gain
      FROM payout_runs r JOIN run_rates q ON q.run_id = r.id JOIN fx_rates f ON f.id = q.rate_id
      JOIN currencies c ON c.code = r.currency JOIN currencies e ON e.code = q.currency
      LEFT JOIN paid p ON p.earned_currency = q.currency LEFT JOIN changed b ON b.earned_currency = q.currency
     WHERE r.id = :run_id ORDER BY q.currency
""")


def positions(db: Session, run_id: str) -> list[Position]:
    """What a run has open in every currency that it converts from; nothing of one that converts nothing."""
    runs.find(db, run_id)
    return [Position(*row) for row in db.execute(_POSITIONS, {"run_id": run_id})]


def propose(
    db: Session,
    *,
    run_id: str,
    bank_reference: str,
    sold: tuple[Currency, int],
    bought: tuple[Currency, int],
    made_by: str,
) -> FxPurchase:
    """Say that a bank has changed money for a run; for another person to confirm, and nothing is posted before.

    sold, bought : currencies and amounts in ledger units. bank_reference : counts once for ever.
    """
    for currency, amount in (sold, bought):
        if amount % 10 ** (currency.ledger_exponent - currency.iso_exponent):
            raise PurchaseTooFine(f"A bank changes {currency.code} with at most {currency.iso_exponent} decimals.")
    run = _lock_run(db, run_id)
    earned = bought[0].code if sold[0].code == run.currency else sold[0].code
    live = FxPurchase.state != ProposalState.REFUSED
    if db.scalar(select(FxPurchase.id).where(FxPurchase.bank_reference == bank_reference, live)) is not None:
        raise PurchaseExists("A purchase with this reference of the bank was entered already.")
    made = FxPurchase(
        id=ids.new("fxp"), run_id=run.id, bank_reference=bank_reference, sold_currency=sold[0].code, sold=sold[1],
        bought_currency=bought[0].code, bought=bought[1], earned_currency=earned, made_by=made_by,
    )  # fmt: skip
    _refuse_unfit(_position(db, run, made), made)
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def _lock_run(db: Session, run_id: str) -> PayoutRun:
    """The run, held so that what is bought for it adds up. What it needs is known once it has left."""
    run = db.get(PayoutRun, run_id, with_for_update={"of": PayoutRun}, populate_existing=True)
    if run is None:
        raise runs.NoSuchRun("There is no such payout run.")
    if run.state not in {RunState.EXPORTED, RunState.CLOSED}:
        raise PurchaseUnfit(f"This run is {run.state}; what it needs is known once it is exported.")
    return run


def _position(db: Session, run: PayoutRun, made: FxPurchase) -> Position:
    pair = {made.sold_currency, made.bought_currency}
    found = [one for one in positions(db, run.id) if {one.currency, one.earned_currency} == pair]
    if not found:
        raise PurchaseUnfit(f"This run converts nothing between {made.sold_currency} and {made.bought_currency}.")
    return found[0]


def _refuse_unfit(position: Position, made: FxPurchase) -> None:
    is_back = made.sold_currency == position.currency
    left, asked = (-position.open, made.sold) if is_back else (position.open, made.bought)
    if asked > left:
        shown = money.format_amount(max(left, 0), position.exponent)
        raise PurchaseTooMuch(
            f"Of {position.currency} {shown} can still be {'sold' if is_back else 'bought'} for this run."
        )


def confirm(db: Session, purchase_id: str, *, confirmed_by: str) -> FxPurchase:
    """Post a purchase that another person has entered, with the gain or loss that it brings."""
    made = _lock(db, purchase_id)
    four_eyes.other_person(made.made_by, confirmed_by)
    position = _position(db, _lock_run(db, made.run_id), made)
    _refuse_unfit(position, made)
    gained = gain(position, made)
    entry = Entry(f"fxs:{made.bank_reference}", "fx_purchase", made.run_id, confirmed_by, _lines(made, gained))
    entry_id, now = ledger.post(db, [entry]).ids[entry.key], clock.now(db)
    made.state, made.decided_by, made.decided_at = ProposalState.POSTED, confirmed_by, now
    made.gain, made.entry_id = gained, entry_id
    db.flush()
    return made


def gain(position: Position, made: FxPurchase) -> int:
    """What must be booked for the rest of a position to be worth, at the run's rate, what is left of it to buy.

    In ledger units of the earned currency; a loss is below zero. Once nothing is open, nothing is left.
    """
    is_back = made.sold_currency == position.currency
    left = position.open + made.sold if is_back else position.open - made.bought
    residue = position.residue - made.bought if is_back else position.residue + made.sold
    return -position.cost(left) - residue


def _lines(made: FxPurchase, gained: int) -> tuple[Line, ...]:
    sold, bought, earned = made.sold_currency, made.bought_currency, made.earned_currency
    clearing = AccountName(FX_CLEARING, HOUSE, earned)
    lines = [
        Line(AccountName(FX_CLEARING, HOUSE, sold), AccountName(BANK, HOUSE, sold), made.sold),
        Line(AccountName(BANK, HOUSE, bought), AccountName(FX_CLEARING, HOUSE, bought), made.bought),
    ]
    if gained > 0:
        lines.append(Line(clearing, AccountName(FX_GAIN, HOUSE, earned), gained))
    if gained < 0:
        lines.append(Line(AccountName(FX_LOSS, HOUSE, earned), clearing, -gained))
    return tuple(lines)


def refuse(db: Session, purchase_id: str, *, refused_by: str) -> FxPurchase:
    """Drop a purchase that was entered; nothing moves."""
    made = _lock(db, purchase_id)
    made.state, made.decided_by, made.decided_at = ProposalState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return made


def _lock(db: Session, purchase_id: str) -> FxPurchase:
    made = db.get(FxPurchase, purchase_id, with_for_update={"of": FxPurchase}, populate_existing=True)
    if made is None:
        raise NoSuchPurchase("There is no such purchase of a currency.")
    if made.state != ProposalState.PROPOSED:
        raise PurchaseDecided(f"This purchase is {made.state}.")
    return made


def listed(*, run_id: str | None = None, state: str | None = None) -> Select[FxPurchase]:
    """All purchases, or those for a run, or in a state."""
    wanted: dict[str, Any] = {"run_id": run_id, "state": state}
    rows = select(FxPurchase)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(FxPurchase, column) == value)
    return rows
