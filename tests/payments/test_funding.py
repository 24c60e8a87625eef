"""What an owner put in, what is set aside of it, and what comes back."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import funding, ledger
from payments.funding import FeeTooHigh, Rest
from payments.ledger import BANK, FUNDS, HOUSE, RAIL_FEE, RESERVE, AccountFull, EntryConflict, InsufficientFunds

OWNER = "req_owner"


def _top_up(db: Session, amount: int, reference: str = "bank 1", currency: str = "USD", fee: int = 0) -> str:
    funding.register(db, OWNER)
    return funding.top_up(
        db, owner_ref=OWNER, currency=currency, amount=amount, bank_reference=reference, actor_ref="finance", fee=fee
    )


def _reserve(db: Session, amount: int, *, cause: str = "bat_1", key: str = "t1") -> None:
    funding.reserve(db, owner_ref=OWNER, cause_ref=cause, key=key, currency="USD", amount=amount)


def _release(db: Session, *rests: Rest) -> None:
    funding.release(db, rests, actor_ref="somebody")


def _standing(db: Session) -> tuple[int, int, int]:
    (funds,) = funding.of_owner(db, OWNER)
    return funds.available, funds.reserved, funds.spent


@pytest.mark.parametrize(("price", "cost"), [(200, 240), (1, 1), (2, 2), (3, 4), (7, 8), (10_000, 12_000)])
def test_an_answer_costs_its_price_and_a_fifth_to_the_nearest_unit(price: int, cost: int) -> None:
    assert funding.with_fee(price) == cost


def test_money_that_arrived_is_available(db: Session, books: None) -> None:
    _top_up(db, 900)

    assert _standing(db) == (900, 0, 0)


def test_a_bank_reference_books_once(db: Session, books: None) -> None:
    first = _top_up(db, 900)

    assert _top_up(db, 900) == first
    assert _standing(db) == (900, 0, 0)


def _on(db: Session, role: ledger.Role) -> int:
    return ledger.debit_balance(db, role, HOUSE, "USD")


def test_what_a_processor_kept_is_the_houses_cost_and_not_the_owners(db: Session, books: None) -> None:
    first = _top_up(db, 10_000, fee=320)

    assert _top_up(db, 10_000, fee=320) == first
    assert (_standing(db), _on(db, BANK), _on(db, RAIL_FEE)) == ((10_000, 0, 0), 9_680, 320)


@pytest.mark.parametrize(("amount", "fee"), [(10_000, 321), (10_000, 0), (9_680, 0), (10_001, 320)])
def test_a_reference_that_comes_with_another_fee_is_refused(db: Session, books: None, amount: int, fee: int) -> None:
    _top_up(db, 10_000, fee=320)

    with pytest.raises(EntryConflict), db.begin_nested():
        _top_up(db, amount, fee=fee)

    assert (_standing(db), _on(db, RAIL_FEE)) == ((10_000, 0, 0), 320)


@pytest.mark.parametrize("fee", [900, 901])
def test_a_processor_does_not_keep_all(db: Session, books: None, fee: int) -> None:
    with pytest.raises(FeeTooHigh):
        _top_up(db, 900, fee=fee)

    assert funding.of_owner(db, OWNER) == []
    _top_up(db, 900, fee=899)
    assert _on(db, BANK) == 1


def test_a_bank_reference_with_another_amount_is_refused(db: Session, books: None) -> None:
    _top_up(db, 900)

    with pytest.raises(EntryConflict), db.begin_nested():
        _top_up(db, 901)

    assert _standing(db) == (900, 0, 0)


def test_a_sum_that_no_balance_can_hold_is_refused(db: Session) -> None:
    _top_up(db, 1)
    db.execute(text("UPDATE balances SET credits = :most - 5, debits = :most - 5"), {"most": ledger.TURNOVER_MAX})

    _top_up(db, 5, "bank 2")
    with pytest.raises(AccountFull), db.begin_nested():
        _top_up(db, 1, "bank 3")

    assert _standing(db)[0] == 5


def test_what_is_reserved_is_no_longer_available(db: Session, books: None) -> None:
    _top_up(db, 900)

    _reserve(db, 300)
    _reserve(db, 200, key="t2")

    assert _standing(db) == (400, 500, 0)
    assert ledger.balance(db, RESERVE, "bat_1", "USD") == 500


def test_a_reserve_is_made_once_for_its_key(db: Session, books: None) -> None:
    _top_up(db, 900)

    _reserve(db, 300)
    _reserve(db, 300)

    assert _standing(db) == (600, 300, 0)


def test_what_is_set_aside_for_the_floor_comes_back_once_for_its_key(db: Session, books: None) -> None:
    _top_up(db, 900)
    funding.reserve(db, owner_ref=OWNER, cause_ref="bat_1", key="t1", currency="USD", amount=300, contingency=100)

    for _ in range(2):
        funding.release_contingency(db, Rest("bat_1", "over", 100), actor_ref="somebody")

    assert _standing(db) == (700, 200, 0)


def test_more_than_the_owner_holds_is_not_reserved(db: Session, books: None) -> None:
    _top_up(db, 900)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        _reserve(db, 901)

    assert _standing(db) == (900, 0, 0)


def test_money_in_another_currency_does_not_help(db: Session, books: None) -> None:
    _top_up(db, 900, currency="EUR")

    with pytest.raises(InsufficientFunds), db.begin_nested():
        _reserve(db, 1)


def test_what_is_released_is_available_again(db: Session, books: None) -> None:
    _top_up(db, 900)
    _reserve(db, 300)
    _reserve(db, 100, cause="bat_2", key="t2")

    _release(db, Rest("bat_1", "t1", 120), Rest("bat_2", "t2", 100), Rest("bat_1", "t3", 0))

    assert _standing(db) == (720, 180, 0)
    assert ledger.balance(db, FUNDS, OWNER, "USD") == 720


def test_a_release_comes_back_once_for_its_key(db: Session, books: None) -> None:
    _top_up(db, 900)
    _reserve(db, 300)

    _release(db, Rest("bat_1", "t1", 120), Rest("bat_1", "t1", 120))
    _release(db, Rest("bat_1", "t1", 120))

    assert _standing(db) == (720, 180, 0)


def test_more_than_was_reserved_cannot_come_back(db: Session, books: None) -> None:
    _top_up(db, 900)
    _reserve(db, 300)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        _release(db, Rest("bat_1", "t1", 301))

    assert _standing(db) == (600, 300, 0)


def test_releasing_nothing_writes_nothing(db: Session) -> None:
    _release(db, Rest("bat_unknown", "t1", 0))
    _release(db)

    assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 0


def test_an_owner_sees_every_currency_they_used(db: Session, books: None) -> None:
    _top_up(db, 900)
    _top_up(db, 70, reference="bank 2", currency="JPY")
    _reserve(db, 300)

    assert funding.of_owner(db, OWNER) == [
        funding.Funds(currency="JPY", exponent=2, available=70, reserved=0, spent=0),
        funding.Funds(currency="USD", exponent=4, available=600, reserved=300, spent=0),
    ]


def test_an_owner_without_money_sees_nothing_of_others(db: Session) -> None:
    _top_up(db, 900)

    assert funding.of_owner(db, "req_other") == []


def test_nothing_is_spent_before_anything_was_earned(db: Session) -> None:
    _top_up(db, 900)
    _reserve(db, 300)

    assert funding.spent(db, ["bat_1", "bat_2"]) == 0
    assert funding.spent(db, []) == 0
