"""Blocks: by a sanction or a court nothing is paid to somebody, and what is owed to them lies apart meanwhile.

One person proposes a block and another confirms it; lifting takes two as well. Earnings stay as they are: what was
payable is blocked in the books, and nothing goes back to whoever paid it in without a decision. What becomes due
afterwards stays payable, and is not paid out either.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import four_eyes, ledger, payees, runs
from payments.ledger import PAYABLE, PAYABLE_BLOCKED, AccountName, Entry, Line
from payments.models import Block, BlockedAmount, BlockState, RunState


class NoSuchBlock(NotFound):
    """There is no such block."""


class AlreadyBlocked(Conflict):
    """This payee is blocked already, or somebody has proposed it."""


class BlockMoveNotAllowed(Conflict):
    """The block is not where this can be done."""


class RunUnderWay(Conflict):
    """A run that pays this payee is under way."""


# Blocking


def propose(db: Session, *, payee_id: str, reason: str, made_by: str, screening_id: str | None = None) -> Block:
    """Ask for a payee to be blocked. From here on runs leave them out; money moves when another person confirms."""
    payees.find(db, payee_id)
    payees.lock(db, [payee_id])
    if is_open(db, payee_id):
        raise AlreadyBlocked("This payee is blocked already, or somebody has proposed it.")
    block = Block(id=ids.new("blk"), payee_id=payee_id, screening_id=screening_id, reason=reason, made_by=made_by)
    db.add(block)
    db.flush()
    db.refresh(block)
    return block


def is_open(db: Session, payee_id: str) -> bool:
    """Whether a payee is blocked, or somebody has proposed it."""
    rows = select(Block.id).where(Block.payee_id == payee_id)
    return db.scalar(rows.where(Block.state.in_([BlockState.PROPOSED, BlockState.ACTIVE]))) is not None


def confirm(db: Session, block_id: str, *, confirmed_by: str) -> Block:
    """Block for good, by another person: out of every run that has not left, and what is payable lies apart."""
    payee_id = _payee_of(db, block_id)
    _take_out_of_runs(db, payee_id)
    block = _lock(db, block_id, BlockState.PROPOSED)
    four_eyes.other_person(block.made_by, confirmed_by)
    if db.scalars(_OPEN_PAYOUTS, {"payee_id": payee_id}).first() is not None:
        raise RunUnderWay("A run has just begun to pay them; try again in a moment.")
    held = db.execute(_PAYABLE, {"payee_id": payee_id}).all()
    _post(db, block, {row.currency: int(row.amount) for row in held}, actor_ref=confirmed_by)
    # By the clock, not by when this transaction began: whatever it waited for has left before.
    block.state, block.decided_by, block.decided_at = BlockState.ACTIVE, confirmed_by, _by_the_clock(db)
    db.flush()
    return block


# Lines are written in the order of currencies, so that a retry says the same.
_PAYABLE = text("""
    SELECT a.currency, b.credits - b.debits AS amount FROM accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.role = 'payable' AND a.owner_ref = :payee_id AND b.credits > b.debits ORDER BY a.currency
""")
_OPEN_PAYOUTS = text("""
    SELECT p.id FROM payouts p WHERE p.payee_id = :payee_id AND p.state = 'prepared' ORDER BY p.run_id, p.id
""")
_RUNS_OF = text("""
    SELECT r.id, r.state FROM payout_runs r
     WHERE EXISTS (SELECT FROM payouts p WHERE p.payee_id = :payee_id AND p.run_id = r.id AND p.state = 'prepared')
     ORDER BY r.id
""")


def _take_out_of_runs(db: Session, payee_id: str) -> None:
    """Drop a payee's payouts that have not left. Runs are held before payees, as their own steps do it."""
    for run in db.execute(_RUNS_OF, {"payee_id": payee_id}).all():
        if run.state not in {RunState.DRAFT, RunState.APPROVED}:
            raise RunUnderWay(f"{run.id} is {run.state} and pays them; try again in a moment.")
    for payout_id in db.scalars(_OPEN_PAYOUTS, {"payee_id": payee_id}).all():
        runs.drop(db, payout_id, reason="blocked")


def _post(db: Session, block: Block, amounts: dict[str, int], *, actor_ref: str) -> None:
    if not amounts:
        return
    lines = tuple(
        Line(
            AccountName(PAYABLE, block.payee_id, currency), AccountName(PAYABLE_BLOCKED, block.payee_id, currency), each
        )
        for currency, each in amounts.items()
    )
    ledger.post(db, [Entry(f"blk:{block.id}", "block", block.id, actor_ref, lines)])
    db.add_all(BlockedAmount(block_id=block.id, currency=currency, amount=each) for currency, each in amounts.items())
    db.flush()


def _by_the_clock(db: Session) -> datetime:
    found: datetime = db.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


def refuse(db: Session, block_id: str, *, refused_by: str) -> Block:
    """Drop a block that was proposed, by another person; nothing moves, and they are paid again."""
    block = _lock(db, block_id, BlockState.PROPOSED)
    four_eyes.other_person(block.made_by, refused_by)
    block.state, block.decided_by, block.decided_at = BlockState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return block


# Lifting


def propose_lift(db: Session, block_id: str, *, reason: str, proposed_by: str) -> Block:
    """Say that a block should end; for another person to agree. A later word takes its place."""
    block = _lock(db, block_id, BlockState.ACTIVE)
    block.lift_by, block.lift_reason = proposed_by, reason
    db.flush()
    return block


def lift(db: Session, block_id: str, *, confirmed_by: str) -> Block:
    """End a block, by another person than who proposed it: what lay apart is payable again."""
    block = _lock(db, block_id, BlockState.ACTIVE)
    if block.lift_by is None:
        raise BlockMoveNotAllowed("Nobody has proposed to lift this block.")
    four_eyes.other_person(block.lift_by, confirmed_by)
    rows = select(BlockedAmount).where(BlockedAmount.block_id == block.id).order_by(BlockedAmount.currency)
    lines = tuple(
        Line(
            AccountName(PAYABLE_BLOCKED, block.payee_id, row.currency),
            AccountName(PAYABLE, block.payee_id, row.currency),
            row.amount,
        )
        for row in db.scalars(rows)
    )
    if lines:
        ledger.post(db, [Entry(f"blk:{block.id}:lifted", "block", block.id, confirmed_by, lines)])
    block.state, block.lifted_by, block.lifted_at = BlockState.LIFTED, confirmed_by, clock.now(db)
    db.flush()
    return block


def _payee_of(db: Session, block_id: str) -> str:
    payee_id = db.scalar(select(Block.payee_id).where(Block.id == block_id))
    if payee_id is None:
        raise NoSuchBlock("There is no such block.")
    return payee_id


def _lock(db: Session, block_id: str, *allowed: BlockState) -> Block:
    payees.lock(db, [_payee_of(db, block_id)])
    block = db.get_one(Block, block_id, with_for_update={"of": Block}, populate_existing=True)
    if block.state not in allowed:
        raise BlockMoveNotAllowed(f"This block is {block.state}; it would have to be {' or '.join(allowed)}.")
    return block


def listed(*, payee_id: str | None = None, state: str | None = None) -> Select[Block]:
    """All blocks, or a payee's, or those in a state."""
    wanted: dict[str, Any] = {"payee_id": payee_id, "state": state}
    rows = select(Block)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Block, column) == value)
    return rows
