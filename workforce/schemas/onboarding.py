"""What the routes of profiles, consents, identity checks and erasure take and give."""

from enum import StrEnum
from typing import Any

import marshmallow as ma

from foundation.fields import Choice, Country, Day, Identifier, Integer, Schema, Text, Timestamp
from workforce import identity
from workforce.models import CheckState, DeviceClass, ErasureState
from workforce.schemas.parts import Several, Skill
from workforce.schemas.pools import KnownLanguage, LanguageChange, LanguageSince

_SKILLS_MAX = 50


class ProfileChange(LanguageChange):
    languages = ma.fields.List(ma.fields.Nested(KnownLanguage), validate=ma.validate.Length(max=50))
    skills = Several(Skill(), most=_SKILLS_MAX)
    device_class = Choice(DeviceClass)
    payout_region = Country()

    @ma.post_load
    def _by_language(self, data: dict[str, Any], **_options: object) -> dict[str, Any]:
        if "languages" in data:
            data["languages"] = {one["language"]: one["level"] for one in data["languages"]}
        return data


class Profile(Schema):
    languages = ma.fields.List(ma.fields.Nested(LanguageSince))
    skills = ma.fields.List(Text(), metadata={"description": "What you say you can do."})
    device_class = Choice(DeviceClass, allow_none=True)
    payout_region = Text(allow_none=True)


class NewConsentVersion(Schema):
    words = Text(required=True, shortest=1, longest=20_000)


class ConsentVersion(Schema):
    version = Integer()
    words = Text(longest=20_000)
    published_at = Timestamp()


class NewConsent(Schema):
    version = Integer(required=True, least=1)


class Consent(Schema):
    version = Integer()
    given_at = Timestamp()


class Consents(Schema):
    is_due = ma.fields.Boolean(metadata={"description": "Whether you have still to agree to the version in force."})
    items = ma.fields.List(ma.fields.Nested(Consent))


class CheckQuery(Schema):
    state = Choice(CheckState)


class Decision(StrEnum):
    """What people may say of a check."""

    IN_REVIEW = CheckState.IN_REVIEW
    PASSED = CheckState.PASSED
    REFUSED = CheckState.REFUSED


class CheckDecision(Schema):
    state = Choice(Decision, required=True)
    reason = Text(shortest=1, longest=1000)
    days = Integer(least=1, most=identity.DAYS_MAX)


class IdentityCheck(Schema):
    id = Identifier("idc")
    provider = Text()
    state = Choice(CheckState)
    reason = Text(allow_none=True)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)
    expires_on = Day(allow_none=True)


class IdentityCheckOfWorker(IdentityCheck):
    worker_id = Identifier("wrk")


class ErasureQuery(Schema):
    state = Choice(ErasureState)


class ErasureRefusal(Schema):
    reason = Text(required=True, shortest=1, longest=1000)


class Erasure(Schema):
    id = Identifier("ers")
    state = Choice(ErasureState)
    reason = Text(allow_none=True)
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class ErasureOfWorker(Erasure):
    worker_id = Identifier("wrk")
