"""Facts that payments tells, in the past tense."""

from dataclasses import dataclass

from foundation.outbox import Event


@dataclass(frozen=True, slots=True)
class DestinationChanged(Event):
    """A payee is to be paid elsewhere from now on. They are told by mail already; this is for whoever watches."""

    payee_id: str
    old_method_id: str
    new_method_id: str


@dataclass(frozen=True, slots=True)
class DestinationShared(Event):
    """Several payees are to be paid to one account: perhaps a family, perhaps one person with several names."""

    method_id: str
    payee_ids: list[str]
