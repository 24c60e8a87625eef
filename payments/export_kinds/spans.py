"""For which days an export is: a month of the books, or days from one to another. Days are those of UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from foundation.errors import Invalid
from payments import periods
from payments.export_kinds.kind import Parameters

NAMES = frozenset({"month", "first_day", "last_day"})
_DAYS_MAX = 366


class ExportSpanInvalid(Invalid):
    """An export is of a month, or of days from one to another."""


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both of them included."""

    first: date
    last: date

    @property
    def values(self) -> dict[str, Any]:
        """For statements: days as `first` and `last`, moments as `since` and, no more of it, `until`."""
        since = datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)
        return {
            "first": self.first,
            "last": self.last,
            "since": since,
            "until": since + (self.last - self.first) + timedelta(days=1),
        }


def of_month(month: str) -> Days:
    """All days of a month such as 2026-10."""
    first = periods.parse(month)
    return Days(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def read(given: Parameters) -> Days:
    """The days that parameters name, in one way or the other."""
    named = NAMES & set(given)
    if named == {"month"}:
        return of_month(given["month"])
    if named != {"first_day", "last_day"}:
        raise ExportSpanInvalid("Give a month, or first_day and last_day.", errors=[_place("month", "Is missing.")])
    days = Days(date.fromisoformat(given["first_day"]), date.fromisoformat(given["last_day"]))
    if not timedelta() <= days.last - days.first < timedelta(days=_DAYS_MAX):
        reason = f"Must not be before first_day, nor {_DAYS_MAX} days or more after it."
        raise ExportSpanInvalid("Give days in their order, of a year at most.", errors=[_place("last_day", reason)])
    return days


def _place(name: str, reason: str) -> dict[str, str]:
    return {"pointer": f"/parameters/{name}", "reason": reason}
