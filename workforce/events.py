"""Facts that workforce tells, in the past tense."""

from dataclasses import dataclass

from foundation.outbox import Event


@dataclass(frozen=True, slots=True)
class AnswerSubmitted(Event):
    """A worker's answer is stored and acknowledged."""

    answer_id: str
    task_id: str
    project_id: str
