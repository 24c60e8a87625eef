"""What payout runs should do, in plain Python beside the product: everything is done in both, and both must agree.

An operation picks what it acts on at random, whatever state it is in, so that most things are tried where they are
refused too, and every one again. Seeds and bounds are the drivers': `test_runs_machine.py` and `soak`.
"""

import itertools
import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Problem
from payments import (
    adjustments,
    checks,
    clawbacks,
    earnings,
    funding,
    holds,
    ledger,
    methods,
    money,
    payees,
    payouts,
    rails,
    runs,
)
from payments.adjustments import EarningAskedBack, EarningInPayout, EarningNotDue, EarningPaid
from payments.clawbacks import ClawbackDecided, ClawbackExists, EarningChanged, EarningNotPaid, NettingUnderWay
from payments.four_eyes import SamePerson
from payments.holds import HoldOver
from payments.ledger import InsufficientFunds
from payments.models import Payee
from payments.payouts import Outcome
from payments.runs import APPROVAL_LASTS, RunChanged, RunMoveNotAllowed
from tests import travel
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER

EXPONENT = 4
RAILS = ("paypal", "payoneer")
# Steps are small, so that much happens between them.
AT_ONCE = 2
_MOVING = {"preparing", "rechecking", "releasing", "cancelling"}
# A tenth of all pay, to whole cents.
_TAX = 1_000
# What payouts are before the bank's word of them counts, and after it.
_BEFORE = {"settle": "exported", "fail": "exported", "take_returns": "settled"}
_AFTER = {"settle": "settled", "fail": "failed", "take_returns": "returned"}
_FINAL = {"closed", "cancelled"}


def _tax(gross: int) -> int:
    return gross * _TAX // 10_000 // 100 * 100


@dataclass(slots=True)
class Earned:
    """amount, rest : what it is worth and what of it is unpaid, in ledger units. answer : it is for one."""

    payee: str
    kind: str
    answer: str
    amount: int
    rest: int
    due_at: datetime
    is_reversed: bool = False
    # The payout that is about to take some of it, and those on their way that have.
    taken_by: str | None = None
    on_the_way: set[str] = field(default_factory=set)
    # The clawback that is not refused.
    asked_back: str | None = None


@dataclass(slots=True)
class Sent:
    """A payout. netted : what goes to debts beside it, by clawback and earning."""

    run: str
    payee: str
    method: str
    items: dict[str, int]
    netted: dict[tuple[str, str], int]
    state: str = "prepared"

    @property
    def earnings(self) -> set[str]:
        return {*self.items, *(earning for _, earning in self.netted)}

    @property
    def gross(self) -> int:
        return sum(self.items.values())

    @property
    def net(self) -> int:
        return self.gross - _tax(self.gross)


@dataclass(slots=True)
class Clawback:
    """What is asked back of whom. came_back, given_up : how much of the amount."""

    payee: str
    earning: str
    amount: int
    state: str = "proposed"
    came_back: int = 0
    given_up: int = 0
    is_hopeless: bool = False


@dataclass(slots=True)
class Run:
    """payouts : their ids in order."""

    rail: str
    cut_off: datetime
    state: str = "preparing"
    approved_at: datetime | None = None
    through: str = ""
    payouts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Held:
    """A hold of an earning, or of all that a payee is owed."""

    payee: str
    earning: str | None
    until: datetime | None

    @property
    def is_legal(self) -> bool:
        return self.until is None


@dataclass(slots=True)
class Method:
    """Where a payee is paid to, from when on."""

    id: str
    rail: str
    cooling_until: datetime


class Model:
    """The books as they should be. Its session is the driver's, who may give it another one between two operations.

    Its database has a clock that can be moved: see `travel`.
    """

    def __init__(self, db: Session, n_payees: int = 3) -> None:
        self.db = db
        made = [payees.register(db, owner_ref=f"wrk_{n}", name=f"Person {n}", country="KE") for n in range(n_payees)]
        owed.levy(db, _TAX, authority="KRA")
        self.payees = sorted(payee.id for payee in made)
        self.methods: dict[str, Method] = {}
        self.holds: dict[str, Held] = {}
        self.ended: list[str] = []
        self.earned: dict[str, Earned] = {}
        self.due: dict[str, set[str]] = {payee: set() for payee in self.payees}
        self.clawbacks: dict[str, Clawback] = {}
        self.owing: dict[str, set[str]] = {payee: set() for payee in self.payees}
        self.sent: dict[str, Sent] = {}
        self.runs: dict[str, Run] = {}
        # Those with something to come, and all, by what can be drawn from.
        self.live: list[str] = []
        self.all_earned: list[str] = []
        self.all_sent: list[str] = []
        self.paid_of_late: deque[str] = deque(maxlen=20)
        self.told: tuple[Any, list[Outcome]] | None = None
        self.free = self.bank = self.fees = self.goodwill = 0
        # How far the clock is ahead of the one there was when all began.
        self.ahead = timedelta(0)

    # When it is

    def pass_time(self, rng: random.Random) -> None:
        """Time goes on by some seconds or weeks, or the clock is put back a little."""
        by = timedelta(seconds=rng.choice(_PASSING))
        if self.ahead + by < timedelta(0):
            return
        travel.move(self.db, by)
        self.ahead += by

    def _now(self) -> datetime:
        return clock.now(self.db)

    # What is owed

    def owe(self, rng: random.Random) -> None:
        """Accept new answers of somebody, then again."""
        payee = rng.choice(self.payees)
        amounts = [rng.choice([1, 33, 50, 99, 100, 12_345, 50_000, 120_000]) for _ in range(rng.randint(1, 3))]
        answers = owed.owe(self.db, self.db.get_one(Payee, payee), *amounts)
        self.bank += sum(funding.with_fee(amount) for amount in amounts)
        self._note_earned("answer", answers)
        assert earnings.accept(self.db, answers) == 0

    def give_bonus(self, rng: random.Random) -> None:
        """Pay beyond answers, as far as there are funds."""
        payee, amount = rng.choice(self.payees), rng.choice([1, 500, 77_777])
        cost = funding.with_fee(amount)
        given: list[Any] = []
        self._expect(
            InsufficientFunds if cost > self.free else None,
            lambda: given.append(
                owed.give_bonus(
                    self.db, owner_ref=owed.OWNER, payee_id=payee, currency="USD", amount=amount, reason="r",
                    actor_ref="f",
                )
            ),
        )  # fmt: skip
        if given:
            self.free -= cost
            self._note_earned("bonus", [given[0].answer_ref])

    def give_goodwill(self, rng: random.Random) -> None:
        """Pay at the house's expense."""
        payee, amount = rng.choice(self.payees), rng.choice([1, 500, 77_777])
        given = owed.give_goodwill(self.db, payee_id=payee, currency="USD", amount=amount, reason="r", actor_ref="f")
        self.goodwill += amount
        self._note_earned("goodwill", [given.answer_ref])

    def pay_in(self, rng: random.Random) -> None:
        """More of the owner's money."""
        amount = rng.randint(1, 100_000)
        owed.pay_in(self.db, amount)
        self.free += amount
        self.bank += amount

    def _note_earned(self, kind: str, answers: list[str]) -> None:
        rows = self.db.execute(_EARNED, {"answers": answers}).all()
        assert len(rows) == len(answers)
        for row in rows:
            self.earned[row.id] = Earned(row.payee_id, kind, row.answer_ref, row.amount, row.amount, row.due_at)
            self.all_earned.append(row.id)
            self.due[row.payee_id].add(row.id)

    def reverse(self, rng: random.Random) -> None:
        """Take one or two earnings back, whatever has become of them, then again."""
        wanted = sorted({rng.choice(self._some_earned(rng)) for _ in range(rng.randint(1, 2))})
        fresh = [name for name in wanted if not self.earned[name].is_reversed]
        problems = [problem for name in fresh if (problem := self._gone(name))]
        act = partial(adjustments.reverse, self.db, wanted, reason="r", actor_ref="f")
        self._expect(problems[0] if problems else None, act)
        if problems:
            return
        assert act() == []
        for name in fresh:
            one = self.earned[name]
            if one.kind == "goodwill":
                self.goodwill -= one.amount
            else:
                self.free += funding.with_fee(one.amount)
            one.is_reversed, one.rest = True, 0
            self.due[one.payee].discard(name)

    def repair(self, rng: random.Random) -> None:
        """Make an earning worth something else."""
        name, amount = rng.choice(self._some_earned(rng)), rng.choice([1, 49, 101, 60_000])
        one = self.earned[name]
        back = funding.with_fee(one.amount) - funding.with_fee(amount)
        expected: type[Problem] | None = EarningNotDue if one.is_reversed else self._gone(name)
        if expected is None and one.kind != "answer":
            expected = EarningNotDue
        if expected is None and self.free + back < 0:
            expected = InsufficientFunds
        written = money.format_amount(amount, EXPONENT)
        act = partial(adjustments.repair, self.db, name, amount=written, reason="r", actor_ref="f")
        self._expect(expected, act)
        if expected is None:
            act()
            self.free += back
            one.amount = one.rest = amount

    def _some_earned(self, rng: random.Random) -> list[str]:
        """Mostly what is due, else anything."""
        due = sorted(self.due[rng.choice(self.payees)])
        return due if due and rng.random() < 0.8 else self.all_earned

    def _gone(self, name: str) -> type[Problem] | None:
        one = self.earned[name]
        if one.taken_by is not None:
            return EarningInPayout
        if one.asked_back is not None and self.clawbacks[one.asked_back].state != "proposed":
            return EarningAskedBack
        return EarningPaid if one.rest < one.amount else None

    # What is asked back

    def ask_back(self, rng: random.Random) -> None:
        """Ask for an earning back, mostly one that was paid of late."""
        names = list(self.paid_of_late) if self.paid_of_late and rng.random() < 0.8 else self.all_earned
        name = rng.choice(names)
        one, made = self.earned[name], []
        expected = self._unpaid(name) or (ClawbackExists if one.asked_back is not None else None)
        self._expect(expected, lambda: made.append(clawbacks.propose(self.db, name, reason="r", made_by=PREPARER).id))
        if made:
            one.asked_back = made[0]
            self.clawbacks[made[0]] = Clawback(one.payee, name, one.amount)

    def answer_clawback(self, rng: random.Random) -> None:
        """Confirm a clawback, as one of two people, or refuse it."""
        if not (name := self._some_clawback(rng, "proposed")):
            return
        one, person = self.clawbacks[name], rng.choice([PREPARER, APPROVER])
        decided = None if one.state == "proposed" else ClawbackDecided
        if rng.random() < 0.2:
            self._expect(decided, lambda: clawbacks.refuse(self.db, name, refused_by=person))
            if decided is None:
                one.state, self.earned[one.earning].asked_back = "refused", None
            return
        changed = EarningChanged if self.earned[one.earning].amount != one.amount else None
        expected = decided or (SamePerson if person == PREPARER else None) or self._unpaid(one.earning) or changed
        self._expect(expected, lambda: clawbacks.confirm(self.db, name, confirmed_by=person))
        if expected is None:
            one.state = "open"
            self.owing[one.payee].add(name)
            if self.earned[one.earning].kind == "goodwill":
                self.goodwill -= one.amount
            else:
                self.free += funding.with_fee(one.amount)

    def give_up(self, rng: random.Random) -> None:
        """Say that a debt will not come back, or agree to that."""
        if not (name := self._some_clawback(rng, "open")):
            return
        one, person = self.clawbacks[name], rng.choice([PREPARER, APPROVER])
        decided = None if one.state == "open" else ClawbackDecided
        if rng.random() < 0.5:
            self._expect(decided, lambda: clawbacks.propose_write_off(self.db, name, reason="r", proposed_by=PREPARER))
            one.is_hopeless |= decided is None
            return
        decided = decided or (None if one.is_hopeless else ClawbackDecided)
        under_way = NettingUnderWay if self._netted_soon(name) else None
        expected = decided or (SamePerson if person == PREPARER else None) or under_way
        self._expect(expected, lambda: clawbacks.write_off(self.db, name, confirmed_by=person))
        if expected is None:
            one.state, one.given_up = "written_off", one.amount - one.came_back
            self.owing[one.payee].discard(name)

    def _some_clawback(self, rng: random.Random, state: str) -> str | None:
        """Mostly one of late where this can be done."""
        late = list(itertools.islice(reversed(self.clawbacks), 20))
        fitting = [name for name in late if self.clawbacks[name].state == state]
        names = fitting if fitting and rng.random() < 0.8 else late
        return rng.choice(names) if names else None

    def _unpaid(self, name: str) -> type[Problem] | None:
        one = self.earned[name]
        return EarningNotPaid if one.is_reversed or one.rest or one.on_the_way else None

    def _netted_soon(self, name: str) -> int:
        """How much of a debt payouts that have not left are about to pay."""
        payee = self.clawbacks[name].payee
        taking = {one for earning in self.due[payee] if (one := self.earned[earning].taken_by) is not None}
        return sum(amount for one in taking for (debt, _), amount in self.sent[one].netted.items() if debt == name)

    def _debts(self, payee: str) -> dict[str, int]:
        """What somebody owes, the oldest first, and no payout is about to pay."""
        owed_by = {
            name: one.amount - one.came_back - self._netted_soon(name)
            for name in sorted(self.owing[payee])
            for one in [self.clawbacks[name]]
        }
        return {name: rest for name, rest in owed_by.items() if rest}

    # Who is paid

    def set_method(self, rng: random.Random) -> None:
        """Somebody is to be paid elsewhere."""
        payee, rail, is_cooling = rng.choice(self.payees), rng.choice(RAILS), rng.random() < 0.1
        cooling = methods.COOLING // timedelta(hours=1) if is_cooling else 0
        made = owed.set_method(self.db, self.db.get_one(Payee, payee), rail=rail, cooling=cooling)
        self.methods[payee] = Method(made.id, rail, made.cooling_until)

    def hold(self, rng: random.Random) -> None:
        """Keep something from being paid."""
        payee, is_legal = rng.choice(self.payees), rng.random() < 0.5
        earning = rng.choice(sorted(self.due[payee]) or [None]) if rng.random() < 0.8 else None
        until = None if is_legal else self._now() + timedelta(days=rng.choice([1, 30]))
        made = holds.place(
            self.db, payee_id=payee, earning_id=earning, reason="r", made_by=PREPARER, until=until, is_legal=is_legal
        )
        self.holds[made.id] = Held(payee, earning, until)

    def end_hold(self, rng: random.Random) -> None:
        """End a hold, mostly one that holds, by either of two people."""
        self._forget_holds()
        names = sorted(self.holds) if rng.random() < 0.8 else self.ended
        if not names:
            return
        name, person = rng.choice(names), rng.choice([PREPARER, APPROVER])
        over = name not in self.holds or not self._holds_now(self.holds[name])
        same = not over and self.holds[name].is_legal and person == PREPARER
        self._expect(
            HoldOver if over else SamePerson if same else None,
            lambda: holds.end(self.db, name, reason="r", ended_by=person),
        )
        if not over and not same:
            del self.holds[name]
            self.ended.append(name)

    def _forget_holds(self) -> None:
        """Those that ran out so long ago that no clock is put back to them."""
        past = self._now() - timedelta(days=7)
        for name in [name for name, hold in self.holds.items() if hold.until is not None and hold.until < past]:
            del self.holds[name]
            self.ended.append(name)

    def _is_held(self, payee: str, names: Collection[str]) -> bool:
        held = [h for h in self.holds.values() if h.payee == payee and (h.earning is None or h.earning in names)]
        return any(map(self._holds_now, held))

    def _holds_now(self, hold: Held) -> bool:
        return hold.until is None or hold.until > self._now()

    # Runs

    def begin(self, rng: random.Random) -> None:
        """A run, of which there may be several."""
        if len(self.live) > 2:
            return
        rail = rng.choice(RAILS)
        run = runs.begin(self.db, rail=rail, prepared_by=PREPARER)
        self.runs[run.id] = Run(rail, run.cut_off)
        self.live.append(run.id)

    def step(self, rng: random.Random) -> None:
        """One step of a run; nothing where it waits for a person."""
        if run_id := self._some_run(rng, _MOVING):
            self._step(run_id)

    def _step(self, run_id: str) -> None:
        run = self.runs[run_id]
        next(runs.steps(self.db, run_id), None)
        if run.state == "preparing":
            self._step_preparing(run_id, run)
        elif run.state == "rechecking":
            self._step_out(run, self._drop, "draft", self._stale(run_id))
        elif run.state == "releasing":
            self._step_out(run, self._send, "exported")
            self._close(run_id)
        elif run.state == "cancelling":
            self._step_out(run, self._drop, "cancelled")
        self._forget_final(run_id)

    def go_on(self, rng: random.Random) -> None:
        """The next thing in the life of a run, so that many come to their end."""
        if not self.live:
            return
        run_id = rng.choice(self.live)
        run = self.runs[run_id]
        sent = [Outcome(name) for name in run.payouts if self.sent[name].state == "exported"]
        if run.state in _MOVING:
            self._step(run_id)
        elif run.state == "draft":
            self._approve(run_id, APPROVER, is_right=True)
        elif run.state == "approved":
            self._release(run_id)
        elif sent:
            self._say(payouts.settle, sent[: rng.randint(1, len(sent))])

    def _step_preparing(self, run_id: str, run: Run) -> None:
        some = [payee for payee in self.payees if payee > run.through and self.due[payee]][:AT_ONCE]
        if not some:
            run.state = "draft"
            return
        run.through = some[-1]
        expected = {payee: owed_to for payee in some if (owed_to := self._owed_to(payee, run))}
        rows = self.db.execute(_MADE, {"run_id": run_id, "payees": some}).all()
        found = {row.payee_id: (row.items, _by_debt(row.netted)) for row in rows}
        assert found == expected, "a run pays what is due, held by nothing, less a quarter where something is owed"
        for row in rows:
            one = Sent(run_id, row.payee_id, self.methods[row.payee_id].id, *found[row.payee_id])
            self.sent[row.id] = one
            run.payouts = sorted([*run.payouts, row.id])
            self.all_sent.append(row.id)
            for name in one.earnings:
                self.earned[name].taken_by = row.id

    def _owed_to(self, payee: str, run: Run) -> tuple[dict[str, int], dict[tuple[str, str], int]] | None:
        """What a run pays somebody of which earnings, and what of these goes to what they owe."""
        method, least = self.methods.get(payee), rails.find(run.rail).least
        if method is None or method.rail != run.rail or method.cooling_until > self._now():
            return None
        untaken = [n for n in self.due[payee] if self.earned[n].taken_by is None and not self._is_held(payee, [n])]
        free = [name for name in untaken if self.earned[name].due_at <= run.cut_off]
        oldest = sorted(free, key=lambda name: (self.earned[name].due_at, name))
        rests = {name: self.earned[name].rest for name in oldest}
        netted, most = {}, sum(rests.values()) // 4
        for debt, owing in self._debts(payee).items():
            for name, amount in _take(rests, min(owing, most)).items():
                netted[debt, name] = amount
                most -= amount
        left = sum(rests.values()) // 100 * 100
        if left - _tax(left) < least * 10**EXPONENT:
            return None
        return _take(rests, left), netted

    def _step_out(self, run: Run, act: Callable[[str], None], end: str, names: list[str] | None = None) -> None:
        some = (self._prepared(run) if names is None else names)[:AT_ONCE]
        for name in some:
            act(name)
        if not some:
            run.state = end

    def _prepared(self, run: Run) -> list[str]:
        return [name for name in run.payouts if self.sent[name].state == "prepared"]

    def _send(self, name: str) -> None:
        self._leave(name, "exported")
        for (debt, earning), amount in self.sent[name].netted.items():
            self._move(earning, -amount)
            owing = self.clawbacks[debt]
            owing.came_back += amount
            if owing.came_back == owing.amount:
                owing.state = "recovered"
                self.owing[owing.payee].discard(debt)
        for earning, amount in self.sent[name].items.items():
            self._move(earning, -amount)
            self.earned[earning].on_the_way.add(name)

    def _drop(self, name: str) -> None:
        self._leave(name, "dropped")

    def _leave(self, name: str, state: str) -> None:
        self.sent[name].state = state
        for earning in self.sent[name].earnings:
            self.earned[earning].taken_by = None

    def _move(self, name: str, amount: int) -> None:
        one = self.earned[name]
        one.rest += amount
        assert 0 <= one.rest <= one.amount, "of an earning no more is paid than it is"
        (self.due[one.payee].add if one.rest else self.due[one.payee].discard)(name)
        if not one.rest:
            self.paid_of_late.append(name)

    def _close(self, run_id: str) -> None:
        run = self.runs[run_id]
        if run.state == "exported" and not any(self.sent[name].state == "exported" for name in run.payouts):
            run.state = "closed"

    def _forget_final(self, run_id: str) -> None:
        if self.runs[run_id].state in _FINAL and run_id in self.live:
            self.live.remove(run_id)

    # Who says so

    def approve(self, rng: random.Random) -> None:
        """Approve a run, as one of two people, with its hash or another."""
        person = rng.choice([PREPARER, APPROVER, APPROVER, APPROVER])
        if run_id := self._some_run(rng, {"draft"}):
            self._approve(run_id, person, is_right=rng.random() < 0.8)

    def _approve(self, run_id: str, person: str, *, is_right: bool) -> None:
        seen = self.db.scalar(_HASH, {"id": run_id}) if is_right else "00"
        problem = SamePerson if person == PREPARER else None if is_right and not self._stale(run_id) else RunChanged
        act = partial(runs.approve, self.db, run_id, content_hash=seen or "00", approved_by=person)
        if self._order(run_id, {"draft"}, act, problem, "approved"):
            self.runs[run_id].approved_at = self._now()

    def release(self, rng: random.Random) -> None:
        """Let an approved run go."""
        if run_id := self._some_run(rng, {"approved"}):
            self._release(run_id)

    def _release(self, run_id: str) -> None:
        act, approved_at = partial(runs.release, self.db, run_id, released_by=PREPARER), self.runs[run_id].approved_at
        lapsed = approved_at is not None and approved_at < self._now() - APPROVAL_LASTS
        self._order(run_id, {"approved"}, act, RunChanged if lapsed or self._stale(run_id) else None, "releasing")

    def reopen(self, rng: random.Random) -> None:
        """Take an approval back."""
        if run_id := self._some_run(rng, {"approved"}):
            self._order(run_id, {"approved"}, partial(runs.reopen, self.db, run_id), None, "draft")

    def cancel(self, rng: random.Random) -> None:
        """Give a run up."""
        early = {"preparing", "rechecking", "draft", "approved"}
        if run_id := self._some_run(rng, early):
            self._order(run_id, early, partial(runs.cancel, self.db, run_id), None, "cancelling")

    def recheck(self, rng: random.Random) -> None:
        """Have what is stale of a run dropped."""
        early = {"draft", "approved"}
        if run_id := self._some_run(rng, early):
            self._order(run_id, early, partial(runs.recheck, self.db, run_id), None, "rechecking")

    def drop(self, rng: random.Random) -> None:
        """Take a payout out of its run."""
        if not self.all_sent:
            return
        name = rng.choice(self.all_sent[-20:])
        run = self.runs[self.sent[name].run]
        allowed = run.state in {"draft", "approved"}
        self._expect(None if allowed else RunMoveNotAllowed, lambda: runs.drop(self.db, name, reason="r"))
        if allowed and self.sent[name].state == "prepared":
            run.state = "draft"
            self._drop(name)

    def _some_run(self, rng: random.Random, where: set[str]) -> str | None:
        """Mostly one with which this can be done, else any of late."""
        fitting = [run_id for run_id in self.live if self.runs[run_id].state in where]
        names = fitting if fitting and rng.random() < 0.8 else list(itertools.islice(reversed(self.runs), 10))
        return rng.choice(names) if names else None

    def _order(
        self, run_id: str, where: set[str], act: Callable[[], object], problem: type[Problem] | None, to: str | None
    ) -> bool:
        """Have something done with a run: refused where it cannot be, or by the problem, else it brings it there."""
        run = self.runs[run_id]
        expected = problem if run.state in where else RunMoveNotAllowed
        self._expect(expected, act)
        if expected is None and to is not None:
            run.state = to
        return expected is None

    def _stale(self, run_id: str) -> list[str]:
        def is_stale(one: Sent) -> bool:
            return self.methods[one.payee].id != one.method or self._is_held(one.payee, one.earnings)

        return [name for name in self._prepared(self.runs[run_id]) if is_stale(self.sent[name])]

    # What the bank says

    def settle(self, rng: random.Random) -> None:
        """Some payouts were booked."""
        self._tell(rng, payouts.settle)

    def fail(self, rng: random.Random) -> None:
        """Some were refused."""
        self._tell(rng, payouts.fail)

    def take_returns(self, rng: random.Random) -> None:
        """Now and then some came back, not always whole; were it often, what is owed would grow without end."""
        if rng.random() < 0.2:
            self._tell(rng, payouts.take_returns)

    def tell_again(self, _rng: random.Random) -> None:
        """The last word again; it changes something only of what had not left then."""
        if self.told:
            self._say(*self.told)

    def _tell(self, rng: random.Random, act: Callable[..., list[str]]) -> None:
        if not self.all_sent:
            return
        fitting = [name for name in self.all_sent[-20:] if self.sent[name].state == _BEFORE[act.__name__]]
        some = fitting if fitting and rng.random() < 0.8 else self.all_sent[-20:]
        names = sorted({rng.choice(some) for _ in range(rng.randint(1, 4))})
        outcomes = [Outcome(name, "r", rng.randint(1, self.sent[name].net)) for name in names]
        self.told = (act, outcomes)
        self._say(act, outcomes)
        assert act(self.db, outcomes) == []

    def _say(self, act: Callable[..., list[str]], outcomes: list[Outcome]) -> None:
        expected = [one for one in outcomes if self.sent[one.payout_id].state == _BEFORE[act.__name__]]
        assert act(self.db, [*outcomes, *outcomes[:1], Outcome("pyo_of_nobody")]) == [one.payout_id for one in expected]
        for one in expected:
            self._hear(one, act.__name__)

    def _hear(self, said: Outcome, word: str) -> None:
        one = self.sent[said.payout_id]
        one.state = _AFTER[word]
        for name in one.items:
            self.earned[name].on_the_way.discard(said.payout_id)
        if word == "settle":
            self.bank -= one.net
        else:
            for name, amount in one.items.items():
                self._move(name, amount)
        if word == "take_returns":
            self.bank += said.amount
            self.fees += one.net - said.amount
        self._close(one.run)
        self._forget_final(one.run)

    # Both agree

    def _expect(self, expected: type[Problem] | None, act: Callable[[], object]) -> None:
        """Do it; it must be refused as expected, or not at all."""
        found: type[Problem] | None = None
        try:
            with self.db.begin_nested():
                act()
        except Problem as problem:
            found = type(problem)
        assert found is expected, f"expected {expected}, found {found}"

    def check_owed(self) -> None:
        """What is payable to everybody is what is unpaid of what they are due."""
        payable = {row.owner_ref: int(row.held) for row in self.db.execute(_PAYABLE)}
        for payee in self.payees:
            assert payable.get(payee, 0) == sum(self.earned[name].rest for name in self.due[payee])

    def check_all(self) -> None:
        """Every earning, payout, run and account is as it should be, no more was paid than earned, no check is red."""
        self.db.expire_all()
        self.check_owed()
        rests = {row.id: row.rest for row in self.db.execute(_RESTS)}
        assert rests == {name: one.rest for name, one in self.earned.items()}
        assert {row.id: row.state for row in self.db.execute(_STATES)} == {
            name: one.state for name, one in self.sent.items()
        }
        asked = {row.id: (row.state, row.recovered, row.written_off) for row in self.db.execute(_CLAWBACKS)}
        assert asked == {name: (one.state, one.came_back, one.given_up) for name, one in self.clawbacks.items()}
        moved = {row.id: row.state for row in self.db.execute(_RUN_STATES)}
        assert moved == {name: run.state for name, run in self.runs.items()}
        assert self.db.execute(_PAID_TWICE).all() == []
        broken = {name: rows for name, rows in checks.check(self.db).items() if rows}
        assert not broken, broken
        self._check_accounts()

    def _check_accounts(self) -> None:
        found = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(self.db)}
        transit = sum(one.net for one in self.sent.values() if one.state == "exported")
        gone = [one for one in self.sent.values() if one.state in {"exported", "settled"}]
        withheld = sum(_tax(one.gross) for one in gone)
        asked = [one for one in self.clawbacks.values() if one.state not in {"proposed", "refused"}]
        expected = {
            "bank": self.bank, "rail_fee": self.fees, "goodwill": self.goodwill, "in_transit": -transit,
            "withheld": -withheld,
            "receivable_payee": sum(one.amount - one.came_back - one.given_up for one in asked),
            "write_off": sum(one.given_up for one in asked),
        }  # fmt: skip
        assert {role: found.get(role, 0) for role in expected} == expected
        assert ledger.balance(self.db, ledger.FUNDS, owed.OWNER, "USD") == self.free
        for row in ledger.tie_out(self.db):
            assert row.payable == row.unpaid
            assert row.stored == row.recomputed


def _take(rests: dict[str, int], wanted: int) -> dict[str, int]:
    """So much of earnings, the oldest first; what is left of them stays in `rests`."""
    taken = {}
    for name, rest in rests.items():
        if amount := min(wanted, rest):
            taken[name] = amount
            rests[name] -= amount
            wanted -= amount
    return taken


def _by_debt(netted: list[list[Any]] | None) -> dict[tuple[str, str], int]:
    return {(debt, earning): amount for debt, earning, amount in netted or ()}


_EARNED = text("""
    SELECT id, payee_id, answer_ref, amount, due_at FROM earnings WHERE answer_ref = ANY(:answers) ORDER BY id
""")
_MADE = text("""
    SELECT p.id, p.payee_id, jsonb_object_agg(i.earning_id, i.amount) AS items,
           (SELECT jsonb_agg(jsonb_build_array(n.clawback_id, n.earning_id, n.amount))
              FROM nettings n WHERE n.payout_id = p.id) AS netted
      FROM payouts p JOIN payout_items i ON i.payout_id = p.id
     WHERE p.run_id = :run_id AND p.payee_id = ANY(:payees) GROUP BY p.id ORDER BY p.id
""")
_PAYABLE = text("""
    SELECT a.owner_ref, b.credits - b.debits AS held FROM accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.role = 'payable'
""")
_CLAWBACKS = text("SELECT id, state, recovered, written_off FROM clawbacks")
_HASH = text("SELECT encode(content_hash, 'hex') FROM payout_runs WHERE id = :id")
_RESTS = text("SELECT id, CASE WHEN status = 'reversed' THEN 0 ELSE amount - paid END AS rest FROM earnings")
_STATES = text("SELECT id, state FROM payouts")
_RUN_STATES = text("SELECT id, state FROM payout_runs")
# By what became of payouts, not by what their items say.
_PAID_TWICE = text("""
    SELECT i.earning_id FROM payout_items i JOIN payouts p ON p.id = i.payout_id JOIN earnings e ON e.id = i.earning_id
     WHERE p.state IN ('prepared', 'exported', 'settled')
     GROUP BY i.earning_id, e.amount HAVING sum(i.amount) > e.amount
""")
# By which the clock moves at once: what comes in a run's life, holds, cooling off, approvals that lapse.
_PASSING = [-3600, -2, 1, 60, 3600, 7 * 3600, 7 * 3600, 25 * 3600, 73 * 3600, 31 * 86_400]
# How often each is tried, beside the others.
OPERATIONS = {
    "pass_time": 2,
    "owe": 6,
    "give_bonus": 2,
    "give_goodwill": 1,
    "pay_in": 1,
    "reverse": 2,
    "repair": 2,
    "ask_back": 3,
    "answer_clawback": 4,
    "give_up": 1,
    "set_method": 1,
    "hold": 1,
    "end_hold": 4,
    "begin": 8,
    "step": 6,
    "go_on": 20,
    "approve": 3,
    "release": 2,
    "reopen": 1,
    "cancel": 1,
    "recheck": 3,
    "drop": 1,
    "settle": 6,
    "fail": 3,
    "take_returns": 2,
    "tell_again": 1,
}
NAMES = [name for name, often in OPERATIONS.items() for _ in range(often)]
