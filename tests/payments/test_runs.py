"""Payout runs: who is paid and who is not, by whose word, and that nothing is paid twice whatever dies when."""

import hashlib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from foundation import auth, jobs
from foundation.pagination import PageRequest
from payments import adjustments, earnings, fx, holds, ledger, payees, payouts, preparing, rails, runs
from payments.earnings import Work
from payments.four_eyes import SamePerson
from payments.ledger import GOODWILL, HOUSE, PAYABLE, AccountName, Entry, Line
from payments.models import FxRate, Hold, Payee, Payout, PayoutRun
from payments.payouts import Outcome
from payments.preparing import Rate
from payments.rails import NoSuchRail, Rail
from payments.runs import DestinationByApprover, RunChanged, RunMoveNotAllowed
from payments.withholding import Account
from tests import factories
from tests.conftest import House, Urls, age, held_up
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER, go_through

CENT = 100


@pytest.fixture
def owners(new_database: Callable[[], Urls]) -> Iterator[Session]:
    """A session of the owner, who may change what the application may not."""
    engine = create_engine(new_database().owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


def _prepared(db: Session, rail: str = "paypal", by: str = PREPARER) -> PayoutRun:
    return go_through(db, runs.begin(db, rail=rail, prepared_by=by))


def _hash(run: PayoutRun) -> str:
    assert run.content_hash is not None
    return run.content_hash.hex()


def _approved(db: Session) -> PayoutRun:
    run = _prepared(db)
    return runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)


def _sent(db: Session) -> PayoutRun:
    run = _approved(db)
    return go_through(db, runs.release(db, run.id, released_by=PREPARER))


def _payouts(db: Session, run: PayoutRun) -> list[Payout]:
    db.expire_all()
    return list(db.scalars(payouts.listed(run_id=run.id).order_by(Payout.id)))


def _left_out(db: Session, run: PayoutRun) -> list[tuple[str, str, int]]:
    return [(one.payee_id, one.reason, one.amount) for one in runs.left_out(db, run.id, PageRequest(100)).items]


def _payable(db: Session, payee: Payee) -> int:
    return ledger.balance(db, PAYABLE, payee.id, "USD")


# Who is paid


def test_a_run_pays_all_that_is_due_over_its_rail(db: Session, books: None) -> None:
    ada, ben = owed.payee(db, 150 * CENT, 50 * CENT), owed.payee(db, 7 * CENT)
    owed.payee(db, 5 * CENT, rail="wise")

    run = _prepared(db)

    assert (run.state, run.n_payouts, run.total) == ("draft", 2, 207 * CENT)
    assert [(one.payee_id, one.net) for one in _payouts(db, run)] == [(ada.id, 200 * CENT), (ben.id, 7 * CENT)]
    assert _left_out(db, run) == []
    assert _payable(db, ada) == 200 * CENT


def test_a_run_says_who_is_not_paid_and_why(db: Session, books: None) -> None:
    nobody = owed.payee(db, CENT, rail=None)
    new = owed.payee(db, 2 * CENT, cooling=1)
    poor = owed.payee(db, 99)
    held = owed.payee(db, 3 * CENT)
    holds.place(db, payee_id=held.id, reason="A court", made_by="finance", is_legal=True)

    run = _prepared(db)

    assert run.n_payouts == 0
    assert sorted(_left_out(db, run)) == sorted(
        [
            (nobody.id, "no_method", CENT),
            (new.id, "cooling", 2 * CENT),
            (poor.id, "too_little", 99),
            (held.id, "held", 3 * CENT),
        ]
    )


def test_what_is_not_held_of_somebody_is_paid(db: Session, books: None) -> None:
    ada = owed.payee(db, 3 * CENT, 5 * CENT)
    first = db.scalars(text("SELECT id FROM earnings ORDER BY id LIMIT 1")).one()
    until = db.scalars(text("SELECT now() + interval '3 days'")).one()
    holds.place(db, payee_id=ada.id, earning_id=first, reason="It is looked into", made_by="ops", until=until)

    run = _prepared(db)

    assert [one.net for one in _payouts(db, run)] == [5 * CENT]
    assert _left_out(db, run) == [(ada.id, "held", 3 * CENT)]


def test_what_was_held_until_yesterday_is_paid(db: Session, books: None) -> None:
    ada = owed.payee(db, 3 * CENT)
    yesterday = db.scalars(text("SELECT now() - interval '1 day'")).one()
    db.add(Hold(id="hld_over", payee_id=ada.id, reason="It was looked into", made_by="ops", until=yesterday))
    db.flush()

    assert _prepared(db).total == 3 * CENT


def test_what_is_less_than_a_cent_stays_owed_and_is_paid_once_it_is_one(db: Session, books: None) -> None:
    ada = owed.payee(db, 33, 33, 33, 33)

    _settle(db, _sent(db))
    assert owed.rests(db, ada) == [0, 0, 0, 32]
    owed.owe(db, ada, 68)
    run = _sent(db)

    assert [one.net for one in _payouts(db, run)] == [CENT]
    assert owed.rests(db, ada) == [0] * 5


def test_a_thousand_answers_of_half_a_cent_pay_five_dollars(db: Session, books: None) -> None:
    owed.payee(db, *[50] * 1000)

    assert _prepared(db).total == 500 * CENT


def test_what_a_rail_does_not_take_at_once_goes_out_in_parts(db: Session, books: None) -> None:
    ben = owed.payee(db, 60_000_0000, 40_000_0000, 5_0000, currency="PHP", rail="instapay")

    run = _prepared(db, "instapay")

    assert [(one.part, one.net) for one in _payouts(db, run)] == [(0, 50_000_0000), (1, 50_000_0000), (2, 5_0000)]
    assert {one.payee_id for one in _payouts(db, run)} == {ben.id}


@pytest.mark.parametrize(
    ("paise", "paid", "left"),
    [
        (100_000_00, [100_000_00], 0),
        # A paisa is less than the rail takes.
        (100_000_01, [100_000_00], 1),
        (100_001_00, [100_000_00, 1_00], 0),
        (250_000_00, [100_000_00, 100_000_00, 50_000_00], 0),
    ],
)
def test_whoever_is_owed_more_than_upi_carries_is_paid_in_parts(
    db: Session, books: None, paise: int, paid: list[int], left: int
) -> None:
    owed.paying_account(db, "imps", **owed.ACCOUNTS["imps"])
    asha = owed.payee(db, paise * CENT, currency="INR", rail=None)
    owed.set_destination(db, asha, "imps", "upi", upi="asha.rao@okaxis")

    run = owed.sent(db, "imps")

    # And their format has nothing against them.
    assert [(one.state, one.net) for one in _payouts(db, run)] == [("exported", amount * CENT) for amount in paid]
    assert sum(owed.rests(db, asha)) == left * CENT


def test_a_bank_account_is_paid_more_at_once_than_upi_carries(db: Session, books: None) -> None:
    owed.paying_account(db, "imps", **owed.ACCOUNTS["imps"])
    owed.payee(db, 500_000_0000, currency="INR", rail="imps")

    assert [one.net for one in _payouts(db, owed.sent(db, "imps"))] == [500_000_0000]


_TINY = Rail("tiny", "USD", ("email",), "generic", decimals=2, least=Decimal("0.03"), most=Decimal("0.25"))


@given(st.lists(st.integers(1, 4000), max_size=30))
def test_a_split_pays_the_oldest_first_in_whole_units_within_the_limits(amounts: list[int]) -> None:
    rests = [(f"ern_{number:02}", amount) for number, amount in enumerate(amounts)]

    parts = preparing.split(rests, _TINY, Rate(None, 1, 1, 4, 4), Account(), kind="email")

    assert all(300 <= part.net == part.gross <= 2500 and part.net % 100 == 0 for part in parts)
    assert sum(amounts) - sum(part.gross for part in parts) < 300
    taken: dict[str, int] = {}
    for part in parts:
        for earning_id, amount in part.items:
            assert amount > 0
            taken[earning_id] = taken.get(earning_id, 0) + amount
    assert list(taken) == sorted(taken) == [name for name, _ in rests[: len(taken)]]
    assert all(taken[name] == amount for name, amount in rests[: max(len(taken) - 1, 0)])


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=20), st.integers(1, 10**9), st.integers(1, 10**6),
)  # fmt: skip
def test_whatever_the_rate_nobody_is_paid_more_than_they_earned_or_a_unit_less(
    amounts: list[int], numerator: int, denominator: int
) -> None:
    rate = Rate("fxr_1", numerator, denominator, 4, 2)
    rail = Rail("tiny", "UGX", ("email",), "generic", decimals=0, least=Decimal(1), most=Decimal(50_000))
    owed_now = [(f"ern_{number:02}", amount) for number, amount in enumerate(amounts)]
    worth = Fraction(sum(amounts) * numerator, 100 * denominator)
    if worth > 10**9:
        return

    parts = preparing.split(owed_now, rail, rate, Account(), kind="email")

    net, gross = sum(part.net for part in parts), sum(part.gross for part in parts)
    assert gross <= sum(amounts)
    assert net <= Fraction(gross * numerator, 100 * denominator) < net + Fraction(numerator, 100 * denominator)
    assert worth - net < 100
    assert all(part.net % 100 == 0 for part in parts)


@pytest.mark.parametrize(
    ("owed_to_them", "paid"),
    [("0.99", []), ("1.00", ["1.00"]), ("1.01", ["1.01"]), ("49999.99", ["49999.99"]), ("50000.00", ["50000.00"]),
     ("50000.01", ["50000.00"]), ("50001.00", ["50000.00", "1.00"]), ("100000.00", ["50000.00", "50000.00"])],
)  # fmt: skip
def test_a_payout_is_within_its_rails_limits_to_the_unit(
    db: Session, books: None, owed_to_them: str, paid: list[str]
) -> None:
    owed.payee(db, int(Decimal(owed_to_them) * 10_000), currency="PHP", rail="instapay")

    run = _prepared(db, "instapay")

    assert [one.net for one in _payouts(db, run)] == [int(Decimal(amount) * 10_000) for amount in paid]


# Another currency


def _rate(db: Session, rate: str = "129.5", base: str = "USD", quote: str = "KES") -> FxRate:
    entered = factories.enter_fx_rate(db, base=base, quote=quote, rate=rate)
    return fx.confirm(db, entered.id, auth.Actor("tok_a", APPROVER, "approver", frozenset({"approve"})))


def _sent_over(db: Session, rail: str) -> PayoutRun:
    run = _prepared(db, rail)
    runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)
    return go_through(db, runs.release(db, run.id, released_by=PREPARER))


def test_what_was_earned_in_dollars_is_paid_in_whole_shillings_and_the_rest_stays_owed(
    db: Session, books: None
) -> None:
    rate = _rate(db)
    ada = owed.payee(db, 10_0000, 5_0000, rail="mpesa")

    run = _sent_over(db, "mpesa")

    (one,) = _payouts(db, run)
    assert (one.net, one.currency, one.earned_currency, one.fx_rate_id) == (1942_0000, "KES", "USD", rate.id)
    assert one.gross == 14_9962
    assert owed.rests(db, ada) == [0, 38]
    assert _payable(db, ada) == 38
    clearing = {
        row.currency: int(row.debits - row.credits) for row in ledger.trial_balance(db) if row.role == "fx_clearing"
    }
    assert clearing == {"USD": -14_9962, "KES": 1942_0000}


@pytest.mark.parametrize("ending", ["fails", "is returned"])
def test_a_converted_payout_that_does_not_arrive_is_owed_as_it_was_earned(
    db: Session, books: None, ending: str
) -> None:
    _rate(db)
    ada = owed.payee(db, 10_0000, rail="mpesa")
    run = _sent_over(db, "mpesa")
    (one,) = _payouts(db, run)

    if ending == "fails":
        payouts.fail(db, [Outcome(one.id, "wrong number")])
    else:
        payouts.settle(db, [Outcome(one.id)])
        payouts.take_returns(db, [Outcome(one.id, "wrong number", one.net - 30_0000)])

    assert _payable(db, ada) == 10_0000
    clearing = [int(row.debits - row.credits) for row in ledger.trial_balance(db) if row.role == "fx_clearing"]
    assert clearing == [0, 0]


def test_two_currencies_of_one_payee_are_two_payouts(db: Session, books: None) -> None:
    _rate(db)
    ada = owed.payee(db, 10_0000, rail="mpesa")
    owed.owe(db, ada, 500_0000, currency="KES")

    run = _prepared(db, "mpesa")

    assert [(one.part, one.earned_currency, one.net) for one in _payouts(db, run)] == [
        (0, "KES", 500_0000), (1, "USD", 1295_0000),
    ]  # fmt: skip
    assert run.total == 1795_0000


def test_no_run_begins_without_the_rates_that_it_needs(db: Session, books: None) -> None:
    ada = owed.payee(db, 10_0000, rail="mpesa")

    with pytest.raises(fx.FxRateMissing, match="from USD to KES"):
        runs.begin(db, rail="mpesa", prepared_by=PREPARER)

    owed.set_method(db, ada, rail="paypal")
    assert _prepared(db, "mpesa").n_payouts == 0


def test_only_what_was_due_at_the_cut_off_is_paid(db: Session, books: None) -> None:
    early = owed.payee(db, CENT)
    age(db, "earnings", "due_at", 3600)
    owed.payee(db, CENT)
    cut_off = db.scalars(text("SELECT now() - interval '1 minute'")).one()

    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER, cut_off=cut_off))

    assert [one.payee_id for one in _payouts(db, run)] == [early.id]
    with pytest.raises(runs.CutOffInvalid):
        runs.begin(db, rail="paypal", prepared_by=PREPARER, cut_off=cut_off.replace(year=2200))


def test_a_rail_must_be_one(db: Session) -> None:
    with pytest.raises(NoSuchRail, match="sepa"):
        runs.begin(db, rail="pigeon", prepared_by=PREPARER)


def test_an_earning_is_in_one_run_that_has_not_left(db: Session, books: None) -> None:
    owed.payee(db, CENT)
    first = _prepared(db)

    second = _prepared(db)

    assert (first.n_payouts, second.n_payouts) == (1, 0)
    go_through(db, runs.cancel(db, first.id))
    assert _prepared(db).n_payouts == 1


@pytest.mark.parametrize("rail", rails.by_name.values(), ids=lambda rail: rail.name)
def test_every_rail_moves_whole_units_of_its_currency(db: Session, rail: Rail) -> None:
    exponent = db.scalars(
        text("SELECT ledger_exponent FROM currencies WHERE code = :code"), {"code": rail.currency}
    ).one()

    assert rail.unit(exponent) >= 1
    assert rail.units(rail.least, exponent) % rail.unit(exponent) == 0
    assert rail.units(rail.least, exponent) <= rail.units(rail.most, exponent)


# Who says so


def test_a_run_leaves_the_books_when_another_person_has_approved_it(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * CENT)
    run = _sent(db)

    assert (run.state, run.approved_by, run.released_by) == ("exported", APPROVER, PREPARER)
    assert [one.state for one in _payouts(db, run)] == ["exported"]
    assert _payable(db, ada) == 0
    assert db.scalars(text("SELECT status FROM earnings")).all() == ["paid"]
    assert [(row.role, int(row.credits)) for row in ledger.trial_balance(db) if row.role == "in_transit"] == [
        ("in_transit", 5 * CENT)
    ]


def test_nobody_approves_what_they_have_prepared(db: Session) -> None:
    owed.payee(db, CENT)
    run = _prepared(db)

    with pytest.raises(SamePerson):
        runs.approve(db, run.id, content_hash=_hash(run), approved_by=PREPARER)


def test_nobody_approves_a_run_that_pays_to_where_they_have_said(db: Session) -> None:
    ada = owed.payee(db, CENT)
    owed.set_method(db, ada, set_by=APPROVER)
    run = _prepared(db)

    with pytest.raises(DestinationByApprover):
        runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)


def test_an_approval_is_for_the_hash_that_was_looked_at(db: Session, books: None) -> None:
    owed.payee(db, CENT)
    other = owed.payee(db, CENT)
    run = _prepared(db)
    seen = _hash(run)
    (dropped,) = db.scalars(payouts.listed(run_id=run.id, payee_id=other.id))
    runs.drop(db, dropped.id, reason="They asked to wait")

    with pytest.raises(RunChanged):
        runs.approve(db, run.id, content_hash=seen, approved_by=APPROVER)
    assert (run.n_payouts, run.total) == (1, CENT)
    assert runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER).state == "approved"


@pytest.mark.parametrize(
    "change",
    [
        "net = net - 100, gross = gross - 100",
        "fingerprint = 'elsewhere'",
        "end_to_end_id = 'another'",
        "name = 'Mallory'",
    ],
)
def test_the_hash_of_a_run_is_over_all_that_decides_what_is_paid_where(owners: Session, change: str) -> None:
    owed.payee(owners, 5 * CENT)
    run = _prepared(owners)

    owners.execute(text(f"UPDATE payouts SET {change}"))

    with pytest.raises(RunChanged, match="hash"):
        runs.approve(owners, run.id, content_hash=_hash(run), approved_by=APPROVER)


def test_a_run_is_approved_for_the_names_that_it_was_prepared_with(db: Session, books: None) -> None:
    ada = owed.payee(db, CENT)
    run, named = _prepared(db), ada.name
    ada.name = "Mallory"
    db.flush()

    (payout,) = db.scalars(payouts.listed(run_id=run.id))
    assert payout.name == named
    assert runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER).state == "approved"


def test_a_run_from_before_names_were_kept_has_the_hash_that_it_had(owners: Session) -> None:
    owed.payee(owners, 5 * CENT)
    run = _prepared(owners)
    owners.execute(text("UPDATE payouts SET name = NULL, end_to_end_id = 'e', fingerprint = 'f'"))

    line = f"e|{b'f'.hex()}|{5 * CENT}|USD||0\n"
    head = f"{run.id}|paypal|USD\n"
    assert runs._content(owners, run) == hashlib.sha256((head + line).encode()).digest()


@pytest.mark.parametrize("name", ["A\nB", 'A"|B', "Ñandú 🦅"])
def test_no_name_passes_for_another_line_of_a_run(db: Session, books: None, name: str) -> None:
    ada = owed.payee(db, CENT)
    ada.name = name
    db.flush()

    hashed = _prepared(db)

    (one,) = db.scalars(payouts.listed(run_id=hashed.id))
    said = json.dumps(name, ensure_ascii=False)
    line = f"{one.end_to_end_id}|{bytes(one.fingerprint).hex()}|{one.net}|USD||0|{said}\n"
    assert _hash(hashed) == hashlib.sha256(f"{hashed.id}|paypal|USD\n{line}".encode()).hexdigest()


def _change_destination(db: Session, payee: Payee) -> None:
    owed.set_method(db, payee, mark=b"elsewhere")


def _block(db: Session, payee: Payee) -> None:
    holds.place(db, payee_id=payee.id, reason="Sanctions list of today", made_by="finance", is_legal=True)


def _let_go(db: Session, run: PayoutRun) -> None:
    """The next thing that a person does with a run."""
    if run.state == "draft":
        runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)
    else:
        runs.release(db, run.id, released_by=PREPARER)


@pytest.mark.parametrize("happen", [_change_destination, _block], ids=["another destination", "held"])
@pytest.mark.parametrize("when", ["before the approval", "after it"])
def test_what_becomes_stale_stops_a_run_until_it_is_rechecked(
    db: Session, books: None, happen: Callable[[Session, Payee], None], when: str
) -> None:
    stays, goes = owed.payee(db, CENT), owed.payee(db, 3 * CENT)
    run = _prepared(db) if when == "before the approval" else _approved(db)
    seen = _hash(run)
    happen(db, goes)

    with pytest.raises(RunChanged):
        _let_go(db, run)

    go_through(db, runs.recheck(db, run.id))
    assert (run.state, run.approved_by, run.n_payouts, run.total) == ("draft", None, 1, CENT)
    assert _hash(run) != seen
    runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)
    go_through(db, runs.release(db, run.id, released_by=PREPARER))
    assert (_payable(db, stays), _payable(db, goes)) == (0, 3 * CENT)


def test_an_approval_is_for_a_day(db: Session) -> None:
    owed.payee(db, CENT)
    run = _approved(db)
    age(db, "payout_runs", "approved_at", 86_401)

    with pytest.raises(RunChanged, match="more than a day"):
        runs.release(db, run.id, released_by=PREPARER)
    runs.reopen(db, run.id)
    assert (run.state, run.approved_by) == ("draft", None)


@pytest.mark.parametrize("move", ["approve", "release", "recheck", "cancel"])
def test_a_run_that_has_left_stays_as_it_is(db: Session, books: None, move: str) -> None:
    owed.payee(db, CENT)
    run = _sent(db)
    acts = {
        "approve": lambda: runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER),
        "release": lambda: runs.release(db, run.id, released_by=PREPARER),
        "recheck": lambda: runs.recheck(db, run.id),
        "cancel": lambda: runs.cancel(db, run.id),
    }

    with pytest.raises(RunMoveNotAllowed):
        acts[move]()


# What the bank says


def _settle(db: Session, run: PayoutRun) -> None:
    payouts.settle(db, [Outcome(one.id) for one in _payouts(db, run)])


def test_a_payout_is_paid_when_its_bank_has_booked_it_and_the_run_closes(db: Session, books: None) -> None:
    owed.payee(db, 5 * CENT)
    run = _sent(db)

    _settle(db, run)

    db.refresh(run)
    assert (run.state, [one.state for one in _payouts(db, run)]) == ("closed", ["settled"])
    assert payouts.settle(db, [Outcome(one.id) for one in _payouts(db, run)]) == []


def test_what_a_failed_payout_paid_is_due_and_goes_out_with_the_next_run(db: Session, books: None) -> None:
    ada = owed.payee(db, 33, 33, 68)
    run = _sent(db)
    (failed,) = _payouts(db, run)

    assert payouts.fail(db, [Outcome(failed.id, "account closed")]) == [failed.id]

    assert owed.rests(db, ada) == [33, 33, 68]
    db.refresh(failed)
    assert (failed.state, failed.reason) == ("failed", "account closed")
    again = _sent(db)
    _settle(db, again)
    assert [one.net for one in _payouts(db, again)] == [CENT]


def test_a_returned_payout_is_due_again_and_the_banks_fee_is_the_houses(db: Session, books: None) -> None:
    ada = owed.payee(db, 5 * CENT)
    run = _sent(db)
    _settle(db, run)
    (one,) = _payouts(db, run)

    payouts.take_returns(db, [Outcome(one.id, "AC04", 4 * CENT)])

    assert (_payable(db, ada), _payouts(db, run)[0].state) == (5 * CENT, "returned")
    fees = {row.role: int(row.debits) for row in ledger.trial_balance(db)}
    assert fees["rail_fee"] == CENT
    assert payouts.take_returns(db, [Outcome(one.id, "AC04", 4 * CENT)]) == []


def test_a_payout_that_was_not_sent_cannot_settle(db: Session, books: None) -> None:
    owed.payee(db, CENT)
    run = _approved(db)

    assert payouts.settle(db, [Outcome(one.id) for one in _payouts(db, run)]) == []


# What dies when


def _kill(db: Session, run: PayoutRun, n_steps: int) -> None:
    running = runs.steps(db, run.id)
    for _, _step in zip(range(n_steps), running, strict=False):
        pass
    running.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize("n_steps", range(6))
def test_a_run_that_is_killed_between_steps_goes_on_and_pays_once(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch, n_steps: int
) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 2)
    monkeypatch.setattr(preparing, "AT_ONCE", 2)
    people = [owed.payee(db, CENT) for _ in range(5)]
    run = runs.begin(db, rail="paypal", prepared_by=PREPARER)
    _kill(db, run, n_steps)
    for _ in runs.go_on(db):
        pass
    db.refresh(run)
    assert (run.state, run.n_payouts) == ("draft", 5)
    runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)
    runs.release(db, run.id, released_by=PREPARER)
    _kill(db, run, n_steps)
    go_through(db, run)

    assert [_payable(db, one) for one in people] == [0] * 5
    assert [one.state for one in _payouts(db, run)] == ["exported"] * 5


def test_whoever_prepares_a_run_waits_for_whoever_changes_what_somebody_is_owed(house: House) -> None:
    with house.sessions() as db:
        ada = owed.payee(db, CENT, 2 * CENT)
        run_id = runs.begin(db, rail="paypal", prepared_by=PREPARER).id
        first = db.scalars(text("SELECT id FROM earnings ORDER BY id LIMIT 1")).one()
        db.commit()

    with house.sessions() as db:
        adjustments.reverse(db, [first], reason="Copied", actor_ref="ops")
        with held_up(house, lambda other: next(runs.steps(other, run_id))) as preparing:
            assert not preparing.done()
            db.commit()
            preparing.result(timeout=10)

    with house.sessions() as db:
        go_through(db, runs.find(db, run_id))
        db.commit()
        assert [(one.payee_id, one.net) for one in _payouts(db, runs.find(db, run_id))] == [(ada.id, 2 * CENT)]


def test_a_run_that_cannot_go_on_holds_up_no_other(house: House) -> None:
    with house.sessions() as db:
        stuck, free = (_released(db, rail).id for rail in ("paypal", "payoneer"))
        payout = db.scalars(payouts.listed(run_id=stuck)).one()
        # By hand and against all rules, as much leaves the books as is about to be sent.
        payable, other = AccountName(PAYABLE, payout.payee_id, "USD"), AccountName(GOODWILL, HOUSE, "USD")
        ledger.post(db, [Entry("wrong", "wrong", "wrong", "nobody", (Line(payable, other, payout.net),))])
        db.commit()

    for _ in range(40):
        jobs.work(house.background)

    with house.sessions() as db:
        assert [runs.find(db, run_id).state for run_id in (stuck, free)] == ["releasing", "exported"]
        ledger.post(db, [Entry("right", "right", "right", "nobody", (Line(other, payable, payout.net),))])
        db.commit()
    jobs.work(house.background)
    with house.sessions() as db:
        assert runs.find(db, stuck).state == "exported"


def _released(db: Session, rail: str) -> PayoutRun:
    """A run of one payout that may leave."""
    owed.payee(db, 10_000 * CENT, rail=rail)
    run = _prepared(db, rail)
    runs.approve(db, run.id, content_hash=_hash(run), approved_by=APPROVER)
    return runs.release(db, run.id, released_by=PREPARER)


def test_whoever_is_paid_earns_more_while_a_run_looks_at_them(house: House) -> None:
    with house.sessions() as db:
        payee = owed.payee(db, CENT)
        (reserved,) = db.scalars(text("SELECT cause_ref FROM reserves"))
        run = runs.begin(db, rail="paypal", prepared_by=PREPARER)
        db.commit()

    with house.sessions() as preparing, house.sessions() as settling:
        next(runs.steps(preparing, run.id))
        settling.execute(text("SET LOCAL lock_timeout = '100ms'"))
        earnings.pend(settling, [Work("ans_later", payee.id, reserved, "USD", CENT)])

        with pytest.raises(OperationalError, match="lock timeout"):
            payees.lock(settling, [payee.id])


def test_two_runs_prepared_at_once_pay_each_earning_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "AT_ONCE", 3)
    with house.sessions() as db:
        for _ in range(10):
            owed.payee(db, CENT)
        two = [runs.begin(db, rail="paypal", prepared_by=PREPARER).id for _ in range(2)]
        db.commit()

    with house.sessions() as one, house.sessions() as other:
        going = [(one, runs.steps(one, two[0])), (other, runs.steps(other, two[1]))]
        while going:
            for session, running in list(going):
                try:
                    next(running)
                except StopIteration:
                    going.remove((session, running))
                session.commit()

    with house.sessions() as db:
        taken = db.execute(text("SELECT count(*) AS n, count(DISTINCT earning_id) AS each FROM payout_items")).one()
        assert (taken.n, taken.each) == (10, 10)
