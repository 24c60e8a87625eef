"""Multilabel: all of some categories that a thing belongs to, or none. Answers agree by Jaccard's measure.

With a hierarchy the labels are paths such as `bird/crow`: whoever says the one has said `bird` as well, so that
answers that part ways further down agree about what is above.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import marshmallow as ma

from foundation.errors import invalid
from foundation.fields import Flag, Integer, Schema, Text
from workforce.task_types.task_type import Asked, Form, TaskType

_MOST = 100
_STEP = "/"


class _Form(Schema):
    least = Integer(most=_MOST, load_default=0)
    most = Integer(least=1, most=_MOST, load_default=_MOST)
    hierarchy = Flag(load_default=False)

    @ma.validates_schema
    def _in_order(self, data: dict[str, Any], **_options: object) -> None:
        if data.get("least", 0) > data.get("most", _MOST):
            raise ma.ValidationError({"least": ["Must not be above most."]})


class _Answer(Schema):
    categories = ma.fields.List(Text(longest=200), required=True, validate=ma.validate.Length(max=_MOST))


_ANSWER = _Answer()


def _fits(labels: Sequence[str], form: Form) -> None:
    if form["hierarchy"]:
        known = set(labels)
        orphans = [label for label in labels if not known.issuperset(_above(label))]
        if orphans:
            raise invalid({"labels": [f"What is above {orphans[0][:100]!r} must be a label too."]})


def _above(label: str) -> Iterator[str]:
    steps = label.split(_STEP)
    return (_STEP.join(steps[:n]) for n in range(1, len(steps)))


def _read(answer: dict[str, Any], asked: Asked) -> str:
    given: list[str] = answer["categories"]
    form, known = asked.form, set(asked.labels)
    reason = f"Must be one of: {', '.join(asked.labels)}."[:190]
    wrong = {i: [reason] for i, one in enumerate(given) if one not in known}
    if wrong:
        raise invalid({"payload": {"categories": wrong}})
    above = {one for label in given for one in _above(label)} if form["hierarchy"] else set()
    # What is above another one was said with it.
    if len(set(given)) < len(given) or not form["least"] <= len(set(given) - above) <= form["most"]:
        reason = f"Name {form['least']} to {form['most']}, each just once."
        raise invalid({"payload": {"categories": [reason]}})
    return json.dumps(sorted(above.union(given)))


def _shown(value: str, _form: Form) -> dict[str, Any]:
    return {"categories": json.loads(value)}


TYPE = TaskType(
    "multilabel",
    answer=lambda _form: _ANSWER,
    read=_read,
    shown=_shown,
    kind=lambda _form: "sets",
    labels=(2, _MOST),
    form=_Form(),
    fits=_fits,
)
