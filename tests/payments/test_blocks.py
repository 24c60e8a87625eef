"""Blocks: two people put what is owed apart and two bring it back; earnings stay as they are all the time."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import adjustments, blocks, ledger, payouts, runs
from payments.adjustments import PayeeBlocked
from payments.blocks import AlreadyBlocked, BlockMoveNotAllowed, NoSuchBlock, RunUnderWay
from payments.four_eyes import SamePerson
from payments.ledger import PAYABLE, PAYABLE_BLOCKED
from payments.models import Payee
from tests.conftest import House, held_up
from tests.payments import cleared, owed
from tests.payments.cleared import APPROVER, OTHER, RECORDER
from tests.payments.owed import PREPARER, go_through

CENT = 100


def _held(db: Session, payee: Payee, currency: str = "USD") -> tuple[int, int]:
    """What is payable to somebody, and what lies apart."""
    return ledger.balance(db, PAYABLE, payee.id, currency), ledger.balance(db, PAYABLE_BLOCKED, payee.id, currency)


def test_what_is_owed_lies_apart_and_earnings_stay_as_they_are(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * CENT, 7 * CENT)
    owed.owe(db, ada, 3 * CENT, currency="KES")

    block = cleared.block(db, ada)

    assert (block.state, block.made_by, block.decided_by) == ("active", RECORDER, APPROVER)
    assert (_held(db, ada), _held(db, ada, "KES")) == ((0, 12 * CENT), (0, 3 * CENT))
    assert owed.rests(db, ada) == [5 * CENT, 7 * CENT, 3 * CENT]


def test_lifting_brings_back_what_lay_apart_and_it_is_paid_with_what_came_since(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * CENT)
    block = cleared.block(db, ada)
    owed.owe(db, ada, 2 * CENT)
    assert _held(db, ada) == (2 * CENT, 5 * CENT)

    blocks.propose_lift(db, block.id, reason="The court has ended it.", proposed_by=RECORDER)
    lifted = blocks.lift(db, block.id, confirmed_by=APPROVER)

    assert (lifted.state, lifted.lift_by, lifted.lifted_by) == ("lifted", RECORDER, APPROVER)
    assert _held(db, ada) == (7 * CENT, 0)
    assert owed.sent(db).total == 7 * CENT


def test_somebody_can_be_blocked_who_is_owed_nothing_and_again_after_it_was_lifted(db: Session, books: None) -> None:
    ada = owed.payee(db)
    for _ in range(2):
        block = cleared.block(db, ada)
        with pytest.raises(AlreadyBlocked):
            blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER)
        blocks.propose_lift(db, block.id, reason="r", proposed_by=RECORDER)
        blocks.lift(db, block.id, confirmed_by=APPROVER)


def test_nobody_does_both_halves_of_it(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)
    block = blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER)

    with pytest.raises(SamePerson):
        blocks.confirm(db, block.id, confirmed_by=RECORDER)
    with pytest.raises(SamePerson):
        blocks.refuse(db, block.id, refused_by=RECORDER)
    blocks.confirm(db, block.id, confirmed_by=APPROVER)
    blocks.propose_lift(db, block.id, reason="r", proposed_by=APPROVER)
    with pytest.raises(SamePerson):
        blocks.lift(db, block.id, confirmed_by=APPROVER)

    blocks.lift(db, block.id, confirmed_by=OTHER)


def test_a_later_word_about_lifting_takes_the_place_of_the_first(db: Session, books: None) -> None:
    block = cleared.block(db, owed.payee(db, CENT))
    blocks.propose_lift(db, block.id, reason="first", proposed_by=RECORDER)
    blocks.propose_lift(db, block.id, reason="second", proposed_by=APPROVER)

    assert blocks.lift(db, block.id, confirmed_by=RECORDER).lift_reason == "second"


def test_a_block_that_is_refused_moves_nothing_and_the_payee_is_paid(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)
    block = blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER)

    assert blocks.refuse(db, block.id, refused_by=APPROVER).state == "refused"

    assert _held(db, ada) == (CENT, 0)
    assert owed.sent(db).total == CENT


MOVES: dict[str, tuple[Callable[[Session, str], object], set[str]]] = {
    "confirm": (lambda db, id_: blocks.confirm(db, id_, confirmed_by=OTHER), {"proposed"}),
    "refuse": (lambda db, id_: blocks.refuse(db, id_, refused_by=OTHER), {"proposed"}),
    "propose to lift": (lambda db, id_: blocks.propose_lift(db, id_, reason="r", proposed_by=OTHER), {"active"}),
    "lift": (lambda db, id_: blocks.lift(db, id_, confirmed_by=OTHER), set()),
}


@pytest.mark.parametrize("state", ["proposed", "active", "refused", "lifted"])
@pytest.mark.parametrize("move", MOVES)
def test_a_block_moves_from_where_it_may(db: Session, books: None, state: str, move: str) -> None:
    block = blocks.propose(db, payee_id=owed.payee(db, CENT).id, reason="r", made_by=RECORDER)
    if state == "refused":
        blocks.refuse(db, block.id, refused_by=APPROVER)
    elif state != "proposed":
        blocks.confirm(db, block.id, confirmed_by=APPROVER)
    if state == "lifted":
        blocks.propose_lift(db, block.id, reason="r", proposed_by=RECORDER)
        blocks.lift(db, block.id, confirmed_by=APPROVER)
    act, allowed = MOVES[move]

    if state in allowed:
        act(db, block.id)
    else:
        with pytest.raises(BlockMoveNotAllowed):
            act(db, block.id)


def test_a_block_that_is_not_there_is_not_moved(db: Session) -> None:
    for act, _ in MOVES.values():
        with pytest.raises(NoSuchBlock):
            act(db, "blk_x")


def test_what_lies_apart_is_neither_taken_back_nor_repaired(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * CENT)
    cleared.block(db, ada)
    (earning,) = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": ada.id})

    with pytest.raises(PayeeBlocked):
        adjustments.reverse(db, [earning], reason="r", actor_ref="f")
    with pytest.raises(PayeeBlocked):
        adjustments.repair(db, earning, amount="0.01", reason="r", actor_ref="f")


def test_whoever_is_being_paid_this_moment_is_blocked_the_next(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)
    run = runs.begin(db, rail="paypal", prepared_by=PREPARER)
    go_through(db, run)
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by=APPROVER)
    runs.release(db, run.id, released_by=PREPARER)
    block = blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER)

    with pytest.raises(RunUnderWay, match="is releasing"):
        blocks.confirm(db, block.id, confirmed_by=APPROVER)

    go_through(db, run)
    blocks.confirm(db, block.id, confirmed_by=APPROVER)
    assert _held(db, ada) == (0, 0)


def test_what_comes_back_to_somebody_blocked_is_owed_and_not_paid(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)
    run = owed.sent(db)
    cleared.block(db, ada)

    payouts.fail(db, [payouts.Outcome(one.id, "closed") for one in db.scalars(payouts.listed(run_id=run.id))])

    db.expire_all()
    assert _held(db, ada) == (CENT, 0)
    assert go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER)).n_payouts == 0


def test_somebody_who_is_blocked_twice_at_once_is_blocked_once(house: House) -> None:
    with house.sessions() as db:
        ada = owed.payee(db, CENT)
        block_id = blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER).id
        db.commit()
        blocks.confirm(db, block_id, confirmed_by=APPROVER)
        with held_up(house, lambda session: blocks.confirm(session, block_id, confirmed_by=OTHER)) as second:
            db.commit()

            with pytest.raises(BlockMoveNotAllowed):
                second.result(timeout=10)
        assert _held(db, ada) == (0, CENT)


def test_a_run_that_is_prepared_while_somebody_is_blocked_leaves_them_out(house: House) -> None:
    with house.sessions() as db:
        ada = owed.payee(db, CENT)
        block_id = blocks.propose(db, payee_id=ada.id, reason="r", made_by=RECORDER).id
        run_id = runs.begin(db, rail="paypal", prepared_by=PREPARER).id
        db.commit()
        blocks.confirm(db, block_id, confirmed_by=APPROVER)
        with held_up(house, lambda session: list(runs.steps(session, run_id))) as prepared:
            db.commit()

            prepared.result(timeout=10)
        assert runs.find(db, run_id).n_payouts == 0
