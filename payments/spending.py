"""What owners spent in a month, by the books: the view `spending`, looked up by the ids of that month's entries.

An entry's id tells when it was made, nearly always a day that it counts for, so that a month is a stretch of the
journal and costs what it holds, not what there ever was. What counts for another day than it was written on is few; an
index has it by itself.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from foundation import ids

# Clocks of those who make ids differ, though never by that much.
_MARGIN = timedelta(days=1)
# SQL of the rows of `spending` that count for a month; its values are those of `month_of`.
OF_MONTH = """
    (SELECT * FROM spending
      WHERE effective_on >= :first AND effective_on < :next AND entry_id >= :from_id AND entry_id < :to_id
      UNION ALL
     SELECT * FROM spending
      WHERE entry_id = ANY(ARRAY(
            SELECT id FROM journal_entries
             WHERE effective_on >= :first AND effective_on < :next
               AND effective_on <> CAST(created_at AT TIME ZONE 'UTC' AS date)
               AND (id < :from_id OR id >= :to_id))))
"""


def month_of(month: date) -> dict[str, Any]:
    """What statements over a month's rows are given. month : its first day."""
    following = next_month(month)
    return {
        "first": month,
        "next": following,
        "from_id": ids.earliest("jnl", _midnight(month) - _MARGIN),
        "to_id": ids.earliest("jnl", _midnight(following) + _MARGIN),
    }


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
