"""Boxes around things in a picture, with a label. The edges of a thing are the medians of those of its boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from quality.methods.votes import FloatArray
from quality.structured import things
from quality.structured.answers import LARGEST, Aggregate, Answers, Known
from quality.structured.things import Cover, Geometry


class Box(NamedTuple):
    """Edges in any unit, left before right and top before bottom; else they change places."""

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""


def aggregate(answers: Answers[Sequence[Box]], *, known: Known[Sequence[Box]] | None = None) -> Aggregate[list[Box]]:
    """Find the things in every picture (see `things.aggregate`).

    Boxes without an area, and those whose edges are no numbers or beyond 1e100, are left out.
    """
    return things.aggregate(answers, {} if known is None else known, Geometry(_clean, cover, _median))


def cover(boxes: Sequence[Box]) -> Cover:
    """IoU, in time by the number of boxes."""
    edges = np.array([box[:4] for box in boxes], dtype=np.float64).reshape(-1, 4)
    areas = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])

    def iou(i: int) -> FloatArray:
        wide = np.minimum(edges[i, 2], edges[:, 2]) - np.maximum(edges[i, 0], edges[:, 0])
        high = np.minimum(edges[i, 3], edges[:, 3]) - np.maximum(edges[i, 1], edges[:, 1])
        both = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
        found: FloatArray = both / (areas[i] + areas - both)
        return found

    return iou


def _clean(boxes: Sequence[Box]) -> tuple[Box, ...]:
    found = []
    for one in boxes:
        left, right = sorted((float(one.left), float(one.right)))
        top, bottom = sorted((float(one.top), float(one.bottom)))
        usual = all(abs(edge) <= LARGEST for edge in (left, top, right, bottom))
        if usual and (right - left) * (bottom - top) > 0.0:
            found.append(Box(left, top, right, bottom, one.label))
    return tuple(sorted(found))


def _median(boxes: Sequence[Box]) -> Box:
    left, top, right, bottom = np.median([box[:4] for box in boxes], axis=0).tolist()
    return Box(left, top, right, bottom, boxes[0].label)
