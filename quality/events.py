"""Facts that quality tells, in the past tense."""

from dataclasses import dataclass

from foundation.outbox import Event


@dataclass(frozen=True, slots=True)
class ConsensusRevised(Event):
    """A refit decides settled tasks of a project otherwise; `revisions` has them."""

    project_id: str
    refit: int
    n_tasks: int

    @property
    def stream(self) -> str:
        """Whoever reacts is alone with the project, as its settlement is."""
        return self.project_id


@dataclass(frozen=True, slots=True)
class EvidenceRaised(Event):
    """Something speaks against a voter for the first time: their quarantine is proposed, and ops are to decide."""

    quarantine_id: str
    project_id: str

    @property
    def stream(self) -> str:
        """What is found in one project is told by one transaction at a time."""
        return self.project_id


@dataclass(frozen=True, slots=True)
class ReliabilityChanged(Event):
    """What checks show of a voter in a skill is other than before: so many right of so many, and the bounds of that.

    corrected : whether something that had counted was judged anew.
    """

    voter_id: str
    skill: str
    n: int
    n_right: int
    low: float
    high: float
    corrected: bool = False

    @property
    def stream(self) -> str:
        """Whoever reacts is alone with the voter."""
        return self.voter_id


@dataclass(frozen=True, slots=True)
class WeightsChanged(Event):
    """What some votes of a project tell is judged otherwise from now on, by a quarantine or by an inquiry's doubts."""

    project_id: str

    @property
    def stream(self) -> str:
        """Whoever weighs a project's tasks again does so between its settlements."""
        return self.project_id
