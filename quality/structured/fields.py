"""Several texts under names, as a form has them: each is merged by itself, and all of them count alike.

A field that is left out is an empty text. Agreement and confidence are the means over the fields that anybody filled.
"""

from collections.abc import Mapping

import numpy as np

from quality.structured import text
from quality.structured.answers import Aggregate, Answers, Known


def aggregate(
    answers: Answers[Mapping[str, str]], *, known: Known[Mapping[str, str]] | None = None
) -> Aggregate[dict[str, str]]:
    """Merge the texts of every field (see `text.aggregate`) and rate the voters by all of them."""
    known = {} if known is None else known
    filled = (value.items() for value in (*answers.values, *known.values()))
    # Where nobody has filled anything, one field that is empty everywhere stands for all.
    names = sorted({name for fields in filled for name, written in fields if written}) or [""]
    found = [
        text.aggregate(
            Answers(
                answers.tasks,
                answers.voters,
                [value.get(name, "") for value in answers.values],
                answers.n_tasks,
                answers.n_voters,
            ),
            known={task: value.get(name, "") for task, value in known.items()},
        )
        for name in names
    ]
    there = [one is not None for one in found[0].consensus]
    return Aggregate(
        consensus=[
            {name: one.consensus[task] or "" for name, one in zip(names, found, strict=True) if one.consensus[task]}
            if there[task]
            else None
            for task in range(answers.n_tasks)
        ],
        confidence=np.mean([one.confidence for one in found], axis=0),
        agreement=np.mean([one.agreement for one in found], axis=0),
        reliability=np.mean([one.reliability for one in found], axis=0),
        n_iter=max(one.n_iter for one in found),
        converged=all(one.converged for one in found),
    )
