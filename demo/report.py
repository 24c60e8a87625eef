"""What came of it, for anyone to read: the table, the people, the books, one statement. Every figure of Rookery's row
is read back through the public API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from rich.console import Console
from rich.table import Table

from demo import crowd
from demo.crowd import Journey
from demo.recorded import Recorded, majority_right

# Beside the price of an answer a requester pays the platform's fee.
_FEE = Decimal("1.2")
_EXPERT_IN_ANSWERS = Decimal(crowd.EXPERT_PRICE) / Decimal(crowd.ANSWER_PRICE)


@dataclass(frozen=True, slots=True)
class Result:
    """One way of buying the labels: what was bought, how much of it was right, what it cost."""

    name: str
    answers: float
    decisions: float
    right: float
    spent: Decimal

    @property
    def units(self) -> float:
        """The cost in prices of one answer."""
        return self.answers + float(_EXPERT_IN_ANSWERS) * self.decisions


def alternatives(recorded: Recorded) -> list[Result]:
    """The three ways that need no model, out of the recorded answers: (a), (b) and (d)."""
    n_tasks, n_people = len(recorded.truth), len(recorded.people)
    answer, expert = (Decimal(price) * _FEE for price in (crowd.ANSWER_PRICE, crowd.EXPERT_PRICE))
    five, everybody = (majority_right(recorded, n_answers=n) for n in (5, n_people))
    return [
        Result("(a) five answers and a majority", 5 * n_tasks, 0, five, 5 * n_tasks * answer),
        Result(f"(b) all {n_people} and a majority", n_people * n_tasks, 0, everybody, n_people * n_tasks * answer),
        Result("(d) an expert on every photograph", 0, n_tasks, 1.0, n_tasks * expert),
    ]


def result(journey: Journey) -> Result:
    """What Rookery did, as its requester reads it."""
    labels = crowd.labels(journey)
    truth = journey.recorded.truth
    right = sum(labels.get(photo) == true for photo, true in truth.items()) / len(truth)
    progress = crowd.progress(journey)
    spent = Decimal(progress["spent"])
    return Result("(c) Rookery", progress["answers"], progress["adjudications"], right, spent)


def show_table(console: Console, recorded: Recorded, ours: Sequence[Result]) -> None:
    """The table: what each way costs and how much of it is right."""
    mean = Result(
        ours[0].name if len(ours) == 1 else f"{ours[0].name}, mean of {len(ours)} orders",
        fmean(one.answers for one in ours),
        fmean(one.decisions for one in ours),
        fmean(one.right for one in ours),
        sum((one.spent for one in ours), Decimal(0)) / len(ours),
    )
    five, everybody, expert = alternatives(recorded)
    table = Table("way of buying labels", title=f"{len(recorded.truth)} photographs of two look-alike birds")
    for heading in ("answers bought", "expert decisions", "share right", "money spent"):
        table.add_column(heading, justify="right")
    for row in (five, everybody, mean, expert):
        style = "bold green" if row is mean else None
        cells = f"{row.answers:,.0f}", f"{row.decisions:,.0f}", f"{row.right:.1%}", f"{row.spent:,.2f} USD"
        table.add_row(row.name, *cells, style=style)
    console.print(table)
    console.print(
        f"Rookery's cost is {mean.units / everybody.units:.2f} of (b) and {mean.units / expert.units:.2f} of (d); "
        f"an expert decision costs as much as {_EXPERT_IN_ANSWERS:.0f} answers."
    )


def show_orders(console: Console, ours: Sequence[Result]) -> None:
    """Every order of arrival on a line of its own."""
    table = Table("order", title="Each order in which people and photographs arrived")
    for heading in ("answers", "expert decisions", "share right", "cost in answers"):
        table.add_column(heading, justify="right")
    for number, one in enumerate(ours, 1):
        table.add_row(
            str(number), f"{one.answers:,.0f}", f"{one.decisions:.0f}", f"{one.right:.1%}", f"{one.units:,.0f}"
        )
    console.print(table)


def show_people(console: Console, journey: Journey) -> None:
    """The most and the least reliable workers as ops sees them, beside how often each was really right."""
    names = {worker_id: name for name, (worker_id, _) in journey.workers.items()}
    listed = journey.ops.pages(f"/api/projects/{journey.project_id}/reliability")
    known = sorted((row for row in listed if row["voter_id"] in names), key=lambda row: -row["reliability"])
    table = Table("worker", title="The five most and five least reliable workers")
    for heading in ("reliability", "90 % interval", "answers given", "really right, of all 108"):
        table.add_column(heading, justify="right")
    for row in [*known[:5], *known[-5:]]:
        name = names[row["voter_id"]]
        share = f"{row['reliability']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}"
        table.add_row(name, *share, str(row["n_votes"]), f"{_really_right(journey.recorded, name):.2f}")
    console.print(table)


def _really_right(recorded: Recorded, person: str) -> float:
    return fmean(recorded.answers[photo, person] == true for photo, true in recorded.truth.items())


def show_books(console: Console, journey: Journey) -> bool:
    """The sums that must agree, as finance sees them; False if one does not."""
    books = next(row for row in journey.finance("GET", "/api/tie-out")["items"] if row["currency"] == crowd.CURRENCY)
    sums = {name: Decimal(value) for name, value in books.items() if name != "currency"}
    agree = {
        f"payable {sums['payable']} = unpaid earnings {sums['unpaid']}": sums["payable"] == sums["unpaid"],
        f"reserve {sums['reserved']} = spent {sums['spent']} + released {sums['released']} "
        f"+ remaining {sums['remaining']}": sums["reserved"] == sums["spent"] + sums["released"] + sums["remaining"],
        f"stored balances {sums['stored']} = recomputed {sums['recomputed']}": sums["stored"] == sums["recomputed"],
    }
    console.print(f"[bold]The books[/bold] ({crowd.CURRENCY})")
    for sentence, holds in agree.items():
        console.print(f"  {'yes' if holds else '[red]NO[/red] '}  {sentence}")
    return all(agree.values())


def show_statement(console: Console, journey: Journey) -> None:
    """What one worker sees of their own pay."""
    name, (_, worker) = next(iter(journey.workers.items()))
    statement = worker("GET", "/api/me/statement")
    (totals,) = statement["totals"]
    answers = worker("GET", "/api/me/answers?limit=1")["items"]
    console.print(f"[bold]The statement of {name}[/bold] ({statement['payee_id']})")
    console.print(
        f"  {totals['answers']} answers at {crowd.ANSWER_PRICE}: due {totals['due']}, pending {totals['pending']}, "
        f"paid {totals['paid']} {totals['currency']}"
    )
    for answer in answers:
        console.print(f"  last: {answer['payload']['category']!r} at {answer['created_at']}, {answer['status']}")


def show_curls(console: Console, address: str, callers: dict[str, tuple[str, str, str]]) -> None:
    """One ready-to-paste line for each kind of user: what it shows, its path and its token."""
    console.print("\n[bold]Try it yourself[/bold]")
    for who, (what, path, token) in callers.items():
        console.print(f"[dim]# {who}: {what}[/dim]")
        console.print(
            f"curl -s -H 'Authorization: Bearer {token}' '{address}{path}'",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
