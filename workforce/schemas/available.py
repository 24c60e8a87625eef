"""What the routes of available work, and of why there is none, give."""

from typing import Any

import marshmallow as ma

from foundation.fields import Choice, Currency, Flag, Identifier, Integer, Schema, Text
from payments import money
from workforce.available import COUNTED_MOST
from workforce.models import LateRule
from workforce.why_nothing import Rule


def _price(name: str, description: str) -> ma.fields.Function:
    def formatted(row: Any) -> str | None:
        price = getattr(row, name)
        return None if price is None else money.format_amount(price.amount, price.exponent)

    return ma.fields.Function(formatted, metadata={"type": ["string", "null"], "description": description})


class AvailableWork(Schema):
    project_id = Identifier("prj")
    task_type = Text()
    skill = Text()
    tasks = Integer(metadata={"description": f"Tasks that you could claim for an answer; {COUNTED_MOST} may be more."})
    pay = _price("price", "What an answer is worth to you now; null if there are no tasks.")
    disputes = Integer(
        metadata={"description": "Disputes that you could decide as an expert, counted in the same way."}
    )
    dispute_pay = _price("dispute_price", "What a decision is worth to you now; null if there are no disputes.")
    currency = Currency()
    estimated_seconds = Integer(
        allow_none=True, metadata={"description": "Half of the newest answers took no longer; null: not known yet."}
    )
    lease_seconds = Integer()
    late_rule = Choice(
        LateRule, metadata={"description": "What becomes of an answer whose lease is over and whose place is taken."}
    )


class WhyNothingQuery(Schema):
    project_id = Identifier("prj")


class RemovedTasks(Schema):
    rule = Choice(Rule)
    tasks = Integer()
    says = Text()


class WhyNothing(Schema):
    claimable = Integer(metadata={"description": "Tasks that could be claimed now."})
    removed = ma.fields.List(ma.fields.Nested(RemovedTasks), metadata={"description": "Open tasks, each counted once."})
    is_complete = Flag(metadata={"description": "False: there may be more tasks than were counted."})


class RemovedTasksOfProject(Schema):
    project_id = Identifier("prj")
    rule = Choice(Rule)
    tasks = Integer()


class WhyNothingOfWorker(WhyNothing):
    projects = ma.fields.List(ma.fields.Nested(RemovedTasksOfProject))
