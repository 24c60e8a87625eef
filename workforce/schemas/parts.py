"""What schemas of several capabilities are made of."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import marshmallow as ma

from foundation import ids
from foundation.fields import Amount, Country, Currency, Integer, Schema, Shaped, Text
from workforce import tiers
from workforce.tiers import Tier

_LANGUAGE = re.compile(r"[a-z]{2,3}")


class Skill(Shaped):
    """The name of a skill."""

    def __init__(self, **options: Any) -> None:
        longest = ma.validate.Length(max=tiers.SKILL_MAX)
        wanted, example = "Must be a skill such as image.categorization.", "image.categorization"
        super().__init__(tiers.SKILL, wanted, example, validate=longest, **options)


class Language(Shaped):
    """A language by its code in ISO 639."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_LANGUAGE, "Must be a language code such as sw.", "sw", **options)


class Several(ma.fields.List[Any]):
    """A list in which nothing is named twice."""

    def __init__(self, inner: ma.fields.Field[Any], *, most: int, **options: Any) -> None:
        options["metadata"] = {"uniqueItems": True, **options.get("metadata", {})}
        super().__init__(inner, validate=[ma.validate.Length(max=most), _each_once], **options)


def _each_once(values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise ma.ValidationError("Name each just once.")


class Pseudonym(Text):
    """What a worker is called for whoever reads it."""

    def __init__(self, **options: Any) -> None:
        told = "The same for one worker wherever you see them, and another for everybody else who does."
        super().__init__(metadata={"description": told}, **options)


class Name(Text):
    """A name by which a project or a batch can be found: in the place of an id, and as the end of an address."""

    def __init__(self, **options: Any) -> None:
        super().__init__(shortest=1, longest=200, name=True, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **options: Any) -> str:
        name = super()._deserialize(value, attr, data, **options)
        if ids.looks_valid(name, name[:3]):
            raise ma.ValidationError("A name may not look like an id.")
        # A path that has such a step is another path, or is shortened on its way here.
        if name.startswith("/") or name in {".", ".."}:
            raise ma.ValidationError("A name may not begin with a slash, or be one or two dots.")
        return name


class Price(Schema):
    tier = Integer(required=True, least=Tier.CANDIDATE, most=Tier.EXPERT)
    amount = Amount(required=True)
    currency = Currency(required=True)
    region = Country(metadata={"description": "A country; left out: everywhere."})


class Reason(Schema):
    reason = Text(required=True, shortest=1, longest=1000)
