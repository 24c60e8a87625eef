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
