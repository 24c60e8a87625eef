"""What tables have whose rows count once another person has confirmed them."""

from sqlalchemy import CheckConstraint


def confirmed_by_another() -> tuple[CheckConstraint, ...]:
    """A second person, and when; nobody is the second person to themselves."""
    return (
        CheckConstraint("confirmed_by <> entered_by", name="four_eyes"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_when"),
    )
