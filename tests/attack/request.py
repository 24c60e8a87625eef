"""What a good request is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import marshmallow as ma

from foundation import ids
from foundation.worlds import World


@dataclass(frozen=True, slots=True)
class Good:
    """Who sends what to which address."""

    role: str
    """Whose token; nobody's if it is empty."""
    subject: str = field(default_factory=lambda: ids.new("stf"))
    """Whose token it is; somebody new of the staff if nobody is named."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What stands in the path."""
    body: Any = None
    sends: str | None = None
    """What is sent where a file is taken."""
    query: str = ""
    known: Mapping[str, int] = field(default_factory=dict)
    """Places where a value must name something that exists: how any other is refused."""
    dear: Mapping[str, int] = field(default_factory=dict)
    """Places where some good values ask for more than anybody has: how these are refused."""
    inside: Mapping[str, ma.Schema] = field(default_factory=dict)
    """What the view itself reads out of an object that the schema leaves open."""
    person: str | None = None
    """Who of the subject's people."""
    world: World = World.LIVE
    """In which world the subject is."""
