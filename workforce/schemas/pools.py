"""What the routes of pools and languages take and give."""

from collections import Counter
from typing import Any

import marshmallow as ma

from foundation.fields import Choice, Schema, Text, Timestamp
from workforce.models import LanguageLevel, Pool
from workforce.schemas.parts import Language, Several


class PoolChange(Schema):
    pools = Several(Choice(Pool), most=len(Pool), required=True)


class Membership(Schema):
    pool = Choice(Pool)
    since = Timestamp(attribute="created_at")


class Pools(Schema):
    pools = ma.fields.List(Text(), metadata={"description": "The crowd, if nobody has put them anywhere."})
    memberships = ma.fields.List(ma.fields.Nested(Membership))


class KnownLanguage(Schema):
    language = Language(required=True)
    level = Choice(LanguageLevel, required=True)


class LanguageChange(Schema):
    languages = ma.fields.List(ma.fields.Nested(KnownLanguage), required=True, validate=ma.validate.Length(max=50))

    @ma.validates_schema
    def _each_once(self, data: dict[str, Any], **_options: object) -> None:
        given = Counter(one["language"] for one in data.get("languages", []))
        if repeated := [language for language, n in given.items() if n > 1]:
            raise ma.ValidationError({"languages": [f"Name each just once: {repeated[0]}."]})


class LanguageSince(Schema):
    language = Text()
    level = Choice(LanguageLevel)
    since = Timestamp(attribute="created_at")


class Languages(Schema):
    languages = ma.fields.List(ma.fields.Nested(LanguageSince))
