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
class PayoutsSent(Event):
    """Payouts of a run have left the books, and are on their way."""

    run_id: str
    payout_ids: list[str]

    @property
    def stream(self) -> str:
        """Those of one run are told by one transaction at a time."""
        return self.run_id


@dataclass(frozen=True, slots=True)
class PayHeld(Event):
    """Somebody of the staff keeps pay of a payee from being paid out."""

    hold_id: str
    payee_id: str

    @property
    def stream(self) -> str:
        """Those of one payee are told by one transaction at a time."""
        return self.payee_id


@dataclass(frozen=True, slots=True)
class DestinationShared(Event):
    """Several payees are to be paid to one account: perhaps a family, perhaps one person with several names."""

    method_id: str
    payee_ids: list[str]
