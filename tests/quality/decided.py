"""A project whose votes are cast, fitted, weighed and decided on, without anybody who works for it."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from quality import consensus, reliability, votes
from quality.escalation import Action, Decision

PROJECT = "prj_" + "0" * 26
N_CLASSES = 2

# What the voters say of each task, one sign each; a blank is no vote. Voters are named v0, v1 and so on.
Said = Mapping[str, str]


def decide(db: Session, said: Said, *, opened: Sequence[str] = (), project: str = PROJECT) -> None:
    """Settle every task but those that stay open."""
    for task, labels in said.items():
        for voter, label in enumerate(labels):
            if label != " ":
                votes.cast(db, project_id=project, task_id=task, voter_id=f"v{voter}", label=int(label))
    reliability.refit(db, project, n_classes=N_CLASSES)
    weighed = consensus.weigh(db, project, list(said), n_classes=N_CLASSES)
    settled = {task: Decision(Action.SETTLE, "") for task in said if task not in opened}
    consensus.record(db, project, weighed, settled)


def rule(db: Session, task: str, label: int, *, is_sample: bool = False) -> None:
    """An expert's word."""
    consensus.adjudicate(db, PROJECT, task_id=task, label=label, voter_id="expert", is_sample=is_sample)


def tasks(n: int, said: Sequence[str]) -> dict[str, str]:
    """So many tasks, about which the voters say the same things in turn."""
    return {f"t{number:03}": said[number % len(said)] for number in range(n)}
