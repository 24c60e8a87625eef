"""What the routes of test worlds take and give."""

from collections import Counter
from typing import Any

import marshmallow as ma

from foundation.fields import (
    Amount,
    AmountOrNothing,
    Choice,
    Country,
    Currency,
    Identifier,
    Integer,
    Schema,
    Text,
    Timestamp,
)
from workforce.models import Pool
from workforce.schemas.parts import Several, Skill
from workforce.schemas.pools import KnownLanguage
from workforce.tiers import Tier


class NewTestToken(Schema):
    name = Text(load_default="", longest=200, name=True)
    days = Integer(least=1, most=3650, metadata={"description": "How long it holds; left out: without an end."})


class TestWorld(Schema):
    account_id = Identifier("req", metadata={"description": "Who you are in the test world."})
    opened_at = Timestamp()


class TestWorldWithToken(TestWorld):
    token = Text(allow_none=True, metadata={"description": "Shown once; keep it. A replay has null."})


class NewPlayMoney(Schema):
    currency = Currency(required=True)
    amount = Amount(required=True)


class PlayMoney(Schema):
    currency = Currency()
    available = AmountOrNothing()


class Step(Schema):
    skill = Skill(required=True)
    tier = Integer(least=min(Tier), most=max(Tier), required=True)


class NewTestWorker(Schema):
    name = Text(required=True, shortest=1, longest=200, name=True)
    country = Country(required=True)
    pools = Several(Choice(Pool), most=len(Pool), load_default=list)
    languages = ma.fields.List(ma.fields.Nested(KnownLanguage), load_default=list, validate=ma.validate.Length(max=50))
    tiers = ma.fields.List(ma.fields.Nested(Step), load_default=list, validate=ma.validate.Length(max=20))

    @ma.validates_schema
    def _each_once(self, data: dict[str, Any], **_options: object) -> None:
        for member, key in {"languages": "language", "tiers": "skill"}.items():
            given = Counter(one[key] for one in data.get(member, []))
            if repeated := [name for name, n in given.items() if n > 1]:
                raise ma.ValidationError({member: [f"Name each just once: {repeated[0]}."]})
