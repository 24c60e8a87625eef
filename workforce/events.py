"""Facts that workforce tells, in the past tense."""

from dataclasses import dataclass

from foundation.outbox import Event


@dataclass(frozen=True, slots=True)
class AnswerSubmitted(Event):
    """A worker's answer is stored and acknowledged."""

    answer_id: str
    task_id: str
    project_id: str

    @property
    def stream(self) -> str:
        """Answers of one project are settled by one transaction at a time."""
        return self.project_id


@dataclass(frozen=True, slots=True)
class LeaseTakenBack(Event):
    """Ops took a task from the worker who held it."""

    assignment_id: str
    worker_id: str
    reason: str

    @property
    def stream(self) -> str:
        """A worker is told one thing after the other."""
        return self.worker_id


@dataclass(frozen=True, slots=True)
class AppealDecided(Event):
    """An appeal is upheld or denied. state : which."""

    appeal_id: str
    worker_id: str
    state: str

    @property
    def stream(self) -> str:
        """What a worker is told comes in the order in which it happened."""
        return self.worker_id


@dataclass(frozen=True, slots=True)
class LabelCorrected(Event):
    """A settled task has another label; the correction has why."""

    correction_id: str
    task_id: str
    project_id: str

    @property
    def stream(self) -> str:
        """What is told of one project comes in the order in which it happened."""
        return self.project_id


@dataclass(frozen=True, slots=True)
class TierMoved(Event):
    """A worker is on another step of a skill's ladder; the move has the reason."""

    worker_id: str
    skill: str
    tier_from: int
    tier_to: int
    move_id: str

    @property
    def stream(self) -> str:
        """A worker is told of their moves in order."""
        return self.worker_id
