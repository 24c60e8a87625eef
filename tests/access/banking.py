"""What came back from banks in the world: lines, resolutions, changed money and unclaimed pay, in every state."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import auth, clock, ids
from payments import exchange, fx, ledger, money, payees, payout_failures, payouts, suspense, unclaimed
from payments.ledger import BANK, HOUSE, SUSPENSE, AccountName, Entry, Line
from payments.models import (
    BankBalance,
    BankEntry,
    BankEntryState,
    BankFile,
    FeeReason,
    Payout,
    PayoutRun,
    ResolutionKind,
    UnplacedFee,
)
from payments.payouts import Outcome
from tests import factories
from tests.payments import owed
from workforce.models import Worker

# Kind, state, owner and id.
Found = tuple[str, str, str, str]

_OWNERS = ("applicant", "suspended")
# The last ones leave their pay due, which a later run would pay.
_STATES = ("kept", "filed", "theirs_filed", "handed_over", "claimed", "refused", "theirs", "proposed")


def things(session: Session, workers: Mapping[str, Worker], approver: str) -> Iterator[Found]:
    """All of it. approver : whose own acts nobody else has confirmed."""
    yield from _lines(session, approver)
    yield from _purchases(session, approver)
    yield from _unclaimed(session, workers, approver)
    yield from _failures(session, approver)


def _lines(session: Session, approver: str) -> Iterator[Found]:
    """Charges of a bank, and what was said of them; with a file, and the balance that it tells."""
    file = BankFile(id=ids.new("bfl"), sha256=b"b" * 32, format="camt", outcome={}, read_by="finance")
    session.add(file)
    session.flush()
    for currency in ("USD", "EUR"):
        told = {"account": "a", "currency": currency, "closed_on": date(2026, 1, 2), "closing": 0}
        session.add(BankBalance(id=ids.new("bbl"), file_id=file.id, **told))
    yield "bank_file", "known", "", file.id
    awaited = session.scalars(select(Payout.net).where(Payout.state == "exported", Payout.currency == "USD")).first()
    assert awaited is not None, "some payout is under way, for which a line may be"
    _fees(session, file.id)
    for state in ("suspense", "proposed", "theirs", "refused", "resolved"):
        line = BankEntry(
            id=ids.new("ben"), file_id=file.id, account="a", reference=state, booked_on=clock.now(session).date(),
            currency="USD", amount=-awaited, state=BankEntryState.SUSPENSE,
        )  # fmt: skip
        session.add(line)
        session.flush()
        moved = Line(AccountName(SUSPENSE, HOUSE, "USD"), AccountName(BANK, HOUSE, "USD"), awaited)
        ledger.post(session, [Entry(f"susp:{line.id}", "suspense", line.id, HOUSE, (moved,))])
        if state != "suspense":
            made = suspense.propose(
                session, line.id, kind=ResolutionKind.OWN, role="rail_fee", reason="A charge.",
                made_by=approver if state == "theirs" else "finance",
            )  # fmt: skip
        if state == "refused":
            suspense.refuse(session, line.id, refused_by="ops")
        if state == "resolved":
            suspense.confirm(session, line.id, resolution_id=made.id, confirmed_by="ops")
        yield "bank_entry", state, "", line.id


def _fees(session: Session, file_id: str) -> None:
    """Fees that were told of a payout and not booked."""
    payout_id = session.scalars(select(Payout.id)).first()
    for told, reason in (("-0.25", FeeReason.NEGATIVE), ("0.30", FeeReason.DIFFERS), ("0.40", FeeReason.DIFFERS)):
        session.add(UnplacedFee(id=ids.new("ufe"), file_id=file_id, payout_id=payout_id, told=told, reason=reason))
    session.flush()


def _purchases(session: Session, approver: str) -> Iterator[Found]:
    """A run that pays in shillings, and what was bought for it."""
    rate = factories.enter_fx_rate(session, base="USD", quote="KES", rate="100")
    fx.confirm(session, rate.id, auth.Actor("tok_a", "ops", "approver", frozenset({"approve"})))
    payee = payees.of_owner(session, factories.create_worker(session).id)
    owed.levy(session, country=payee.country)
    owed.set_method(session, payee, rail="mpesa")
    owed.give_goodwill(
        session, payee_id=payee.id, currency="USD", amount=100_000, reason="Our fault.", actor_ref="finance"
    )
    run = owed.sent(session, "mpesa", prepared_by="finance", approved_by="approver")
    yield "bought_for", "exported", "", run.id
    for state in ("proposed", "theirs", "refused", "posted"):
        made = exchange.propose(
            session, run_id=run.id, bank_reference=f"changed {state}", sold=(money.currency(session, "USD"), 10_000),
            bought=(money.currency(session, "KES"), 1_000_000), made_by=approver if state == "theirs" else "finance",
        )  # fmt: skip
        if state == "refused":
            exchange.refuse(session, made.id, refused_by="ops")
        if state == "posted":
            exchange.confirm(session, made.id, confirmed_by="ops")
        yield "fx_purchase", state, "", made.id


def _unclaimed(session: Session, workers: Mapping[str, Worker], approver: str) -> Iterator[Found]:
    """Pay of two people that came back, over a rail that nobody else is paid by."""
    for state in _STATES:
        people = {payees.of_owner(session, workers[name].id).id: name for name in _OWNERS}
        for payee_id in people:
            owed.give_goodwill(
                session, payee_id=payee_id, currency="USD", amount=60_000, reason="Our fault.", actor_ref="finance"
            )
            owed.set_method(session, payees.find(session, payee_id), rail="payoneer")
        for payout in _returned(session, owed.sent(session, "payoneer", prepared_by="finance", approved_by="approver")):
            yield "unclaimed", state, people[payout.payee_id], _bring(session, payout, state, approver)
            if state == "refused":
                yield "came_back", "returned", people[payout.payee_id], payout.id
    for payee_id in people:
        owed.retire(session, payees.find(session, payee_id))


def _returned(session: Session, run: PayoutRun) -> list[Payout]:
    found = list(session.scalars(payouts.listed(run_id=run.id)))
    payouts.settle(session, [Outcome(one.id) for one in found])
    payouts.take_returns(session, [Outcome(one.id, "closed", one.net) for one in found])
    session.expire_all()
    return found


def _bring(session: Session, payout: Payout, state: str, approver: str) -> str:
    noticed = clock.now(session).date() - timedelta(days=31)
    made_by = approver if state == "theirs" else "finance"
    unclaimed_id = unclaimed.propose(session, payout.id, noticed_on=noticed, made_by=made_by).id
    if state == "refused":
        unclaimed.refuse(session, unclaimed_id, refused_by="ops")
    elif state not in {"proposed", "theirs"}:
        unclaimed.confirm(session, unclaimed_id, confirmed_by="ops")
    filing = f"filing {unclaimed_id}"
    if state in {"filed", "theirs_filed", "handed_over"}:
        filed_by = approver if state == "theirs_filed" else "finance"
        filed = unclaimed.file(session, [unclaimed_id], filing=filing, filed_by=filed_by)
    if state == "handed_over":
        unclaimed.hand_over(session, filing, currency="USD", amount=filed.amount, confirmed_by="ops")
    if state == "claimed":
        unclaimed.claim(session, unclaimed_id, claimed_by="finance")
    return unclaimed_id


def _failures(session: Session, approver: str) -> Iterator[Found]:
    """Payouts of one person over a rail whose results no file tells, and what was said of them."""
    payee = payees.of_owner(session, factories.create_worker(session).id)
    owed.levy(session, country=payee.country)
    owed.set_method(session, payee, rail="payoneer")
    for state in ("untold", "refused", "theirs", "proposed", "posted"):
        owed.give_goodwill(
            session, payee_id=payee.id, currency="USD", amount=600_000, reason="Our fault.", actor_ref="finance"
        )
        run = owed.sent(session, "payoneer", prepared_by="finance", approved_by="approver")
        (payout,) = session.scalars(payouts.listed(run_id=run.id))
        if state != "untold":
            made_by = approver if state == "theirs" else "finance"
            payout_failures.propose(session, payout.id, reason="They wrote so.", made_by=made_by)
        if state == "refused":
            payout_failures.refuse(session, payout.id, refused_by="ops")
        if state == "posted":
            payout_failures.confirm(session, payout.id, confirmed_by="ops")
        yield "failing", state, "", payout.id
    session.expire_all()
    owed.retire(session, payee)
