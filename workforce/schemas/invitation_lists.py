"""What the routes of lists of people take and give, and what stands in a line of one."""

from typing import Any

import marshmallow as ma

from foundation.fields import Choice, Country, Identifier, Integer, QueryFlag, Schema, Text, Timestamp
from workforce.models import Fate, LanguageLevel, ListState, TeamPool
from workforce.schemas.parts import Language

_LANGUAGES_MAX = 50


class _Languages(ma.fields.Field[dict[str, str]]):
    """Languages in one cell, such as `sw:native en:b2`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **options: Any) -> dict[str, str]:
        known = dict[str, str]()
        language, level = Language(), Choice(LanguageLevel)
        for each in str(value).split():
            code, _, said = each.partition(":")
            if language.deserialize(code) in known:
                raise ma.ValidationError("Name each just once.")
            known[code] = level.deserialize(said)
        if len(known) > _LANGUAGES_MAX:
            raise ma.ValidationError(f"At most {_LANGUAGES_MAX}.")
        return known


class ListedPerson(Schema):
    """One line: by which id the team knows them, and what an invited worker would say of themselves."""

    external_id = Text(required=True, shortest=1, longest=100, name=True)
    email = Text(required=True, shortest=1, longest=254)
    name = Text(required=True, shortest=1, longest=200, name=True)
    country = Country(required=True)
    languages = _Languages(load_default=dict)
    pool = Choice(TeamPool, required=True)


class ListQuery(Schema):
    team = Text(required=True, shortest=1, longest=64, name=True, metadata={"description": "Who brings them."})
    activates = QueryFlag(load_default=False, metadata={"description": "Whether they may claim as soon as they come."})


class InvitationListQuery(Schema):
    team = Text(shortest=1, longest=64)
    state = Choice(ListState)


class InvitationList(Schema):
    id = Identifier("ivl")
    team = Text()
    activates = ma.fields.Boolean()
    state = Choice(ListState)
    lines = Integer(attribute="n_lines")
    new = Integer(attribute="n_new", metadata={"description": "To be invited, once somebody else lets them be."})
    invited = Integer(attribute="n_invited")
    there = Integer(attribute="n_there", metadata={"description": "Who need no invitation: they have one, or came."})
    bad = Integer(attribute="n_bad")
    created_at = Timestamp()
    decided_at = Timestamp(allow_none=True)


class LineQuery(Schema):
    fate = Choice(Fate)


class InvitationLine(Schema):
    line = Integer(metadata={"description": "From 1, with the header and empty lines counted."})
    fate = Choice(Fate)
    pointer = Text(allow_none=True, metadata={"description": "The column that is wrong; empty: the whole line."})
    reason = Text(allow_none=True)
    external_id = Text(allow_none=True)
    country = Text(allow_none=True)
    pool = Text(allow_none=True)
    invitation_id = Text(allow_none=True)
    person_id = Text(allow_none=True, metadata={"description": "The worker who came."})
