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
