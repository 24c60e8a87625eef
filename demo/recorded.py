"""The recorded answers of bluebird, its truth, and what simpler ways of buying labels would have given."""

import csv
import random
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

CATEGORIES = ("Blue Grosbeak", "Indigo Bunting")
_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """What each person answered about each photograph, and what it shows."""

    answers: dict[tuple[str, str], str]
    truth: dict[str, str]

    @property
    def photos(self) -> list[str]:
        return list(self.truth)

    @property
    def people(self) -> list[str]:
        return sorted({person for _, person in self.answers}, key=lambda name: int(name[1:]))


def read() -> Recorded:
    """The data set as it is shipped."""
    folder = files("demo") / "bluebird"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        answers = {(row["task"], row["worker"]): CATEGORIES[int(row["label"])] for row in csv.DictReader(file)}
    with (folder / "truth.csv").open(encoding="utf-8") as file:
        truth = {row["task"]: CATEGORIES[int(row["label"])] for row in csv.DictReader(file)}
    return Recorded(answers=answers, truth=truth)


def majority_right(recorded: Recorded, *, n_answers: int) -> float:
    """Share right when so many people, drawn at random for each photograph, decide by majority; a tie is half right."""
    rng = random.Random(0)
    people = recorded.people
    draws = 1 if n_answers == len(people) else _DRAWS
    right = 0.0
    for _ in range(draws):
        for photo, true in recorded.truth.items():
            votes = Counter(recorded.answers[photo, person] for person in rng.sample(people, n_answers))
            most = max(votes.values())
            winners = [label for label, count in votes.items() if count == most]
            right += (true in winners) / len(winners)
    return right / draws / len(recorded.truth)
