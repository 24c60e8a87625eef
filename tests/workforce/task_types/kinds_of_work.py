"""Every type of task with a project, a task, answers to it, and what is no answer, beside where that is told."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """right and near : two answers that agree; far : one that does not. wrong : (payload, pointer) of no answers.

    no_question : params of no task of this type, with the pointer. no_project : labels and form of no project.
    """

    right: dict[str, Any]
    near: dict[str, Any]
    far: dict[str, Any]
    wrong: list[tuple[dict[str, Any], str]]
    labels: list[str] = field(default_factory=list)
    form: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=lambda: {"attachment": "https://example.com/1.jpg"})
    no_question: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    no_project: list[tuple[list[str], dict[str, Any], str]] = field(default_factory=list)


def _box(left: float, label: str = "rook", **more: Any) -> dict[str, Any]:
    return {"label": label, "left": left, "top": 10.0, "width": 40.0, "height": 30.0, **more}


def _vertices(*corners: tuple[float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in corners]


def _cuboid(by: float) -> dict[str, Any]:
    front = [(by, 0.0), (by + 40.0, 0.0), (by + 40.0, 30.0), (by, 30.0)]
    return {"label": "rook", "vertices": _vertices(*front, *((x + 10.0, y - 5.0) for x, y in front))}


def _drawn(one: dict[str, Any]) -> dict[str, Any]:
    return {"annotations": [one]}


_TEXT = "Ada met Grace in Oslo."
_ADA = {"start": 0, "end": 3, "label": "person"}
_OSLO = {"start": 17, "end": 21, "label": "place"}

EXAMPLES: dict[str, Example] = {
    "categorization": Example(
        labels=["crow", "rook"],
        right={"category": "rook"},
        near={"category": "rook"},
        far={"category": "crow"},
        wrong=[({}, "/payload/category"), ({"category": "jay"}, "/payload/category"), ({"x": 1}, "/payload/category")],
        no_project=[([], {}, "/labels"), (["one"], {}, "/labels"), (["a", "b"], {"most": 1}, "/form/most")],
    ),
    "comparison": Example(
        form={"strengths": 2},
        params={"items": ["the first text", "the second text"]},
        right={"better": "first", "strength": 2},
        near={"better": "first", "strength": 2},
        far={"better": "alike"},
        wrong=[
            ({"better": "third"}, "/payload/better"),
            ({"better": "first", "strength": 3}, "/payload/strength"),
            ({"better": "alike", "strength": 1}, "/payload/strength"),
            ({"strength": 1}, "/payload/better"),
        ],
        no_question=[({}, "/items"), ({"items": ["one"]}, "/items"), ({"items": ["a", "b", "c"]}, "/items")],
        no_project=[(["a", "b"], {}, "/labels"), ([], {"strengths": 6}, "/form/strengths")],
    ),
    "ranking": Example(
        params={"items": ["a", "b", "c", "d", "e"]},
        right={"ranking": ["a", "b", "c", "d", "e"]},
        near={"ranking": ["b", "a", "c", "d", "e"]},
        far={"ranking": ["e", "d", "c", "b", "a"]},
        wrong=[
            ({"ranking": ["a", "b", "c", "d"]}, "/payload/ranking"),
            ({"ranking": ["a", "a", "c", "d", "e"]}, "/payload/ranking"),
            ({"ranking": [1, 2, 3, 4, 5]}, "/payload/ranking/0"),
        ],
        no_question=[({}, "/items"), ({"items": ["a", "a"]}, "/items"), ({"items": ["a", " "]}, "/items/1")],
        no_project=[(["a", "b"], {}, "/labels")],
    ),
    "transcription": Example(
        right={"text": "The rook flies over the old church."},
        near={"text": "the rook flies, over the old church"},
        far={"text": "No idea at all."},
        wrong=[({}, "/payload/text"), ({"text": 5}, "/payload/text"), ({"text": "x" * 10_001}, "/payload/text")],
        no_project=[(["a", "b"], {}, "/labels")],
    ),
    "text_collection": Example(
        form={"fields": [{"name": "title"}, {"name": "body", "required": False, "longest": 40}]},
        right={"fields": {"title": "The rook", "body": "It flies."}},
        near={"fields": {"title": "The Rook", "body": "it flies"}},
        far={"fields": {"title": "No idea"}},
        wrong=[
            ({"fields": {}}, "/payload/fields/title"),
            ({"fields": {"title": " "}}, "/payload/fields/title"),
            ({"fields": {"title": "a", "body": "x" * 41}}, "/payload/fields/body"),
            ({"fields": {"title": "a", "foot": "b"}}, "/payload/fields/foot"),
            ({"fields": {"title": ["a"]}}, "/payload/fields/title"),
            ({"fields": []}, "/payload/fields"),
        ],
        no_project=[
            ([], {}, "/form/fields"),
            ([], {"fields": []}, "/form/fields"),
            ([], {"fields": [{"name": "a"}, {"name": "a"}]}, "/form/fields"),
        ],
    ),
    "multilabel": Example(
        labels=["bird", "bird/crow", "bird/rook", "night"],
        form={"hierarchy": True, "most": 2},
        right={"categories": ["bird/crow", "night"]},
        near={"categories": ["night", "bird/crow"]},
        far={"categories": []},
        wrong=[
            ({"categories": ["jay"]}, "/payload/categories/0"),
            ({"categories": ["night", "night"]}, "/payload/categories"),
            ({"categories": ["bird/rook", "bird/crow", "night"]}, "/payload/categories"),
            ({"categories": "night"}, "/payload/categories"),
        ],
        no_project=[
            (["night"], {}, "/labels"),
            (["night", "bird/crow"], {"hierarchy": True}, "/labels"),
            (["a", "b"], {"least": 3, "most": 2}, "/form/least"),
        ],
    ),
    "number": Example(
        form={"least": 0, "most": 1000, "tolerance": 2},
        right={"number": 40},
        near={"number": 41},
        far={"number": 900.5},
        wrong=[
            ({"number": -1}, "/payload/number"),
            ({"number": 1001}, "/payload/number"),
            ({"number": "5"}, "/payload/number"),
            ({"number": True}, "/payload/number"),
        ],
        no_project=[([], {"least": 5, "most": 5}, "/form/least"), ([], {"tolerance": 0}, "/form/tolerance")],
    ),
    "named_entities": Example(
        labels=["person", "place"],
        params={"text": _TEXT},
        right={"entities": [_ADA, _OSLO]},
        near={"entities": [_OSLO, {**_ADA, "end": 4}]},
        far={"entities": []},
        wrong=[
            ({"entities": [{**_ADA, "label": "city"}]}, "/payload/entities/0/label"),
            ({"entities": [_ADA, {**_OSLO, "end": 23}]}, "/payload/entities/1/end"),
            ({"entities": [{**_ADA, "start": 3}]}, "/payload/entities/0/end"),
            ({"entities": [{"start": 0, "end": 3}]}, "/payload/entities/0/label"),
        ],
        no_question=[({"attachment": "x"}, "/text"), ({"text": ""}, "/text")],
        no_project=[([], {}, "/labels")],
    ),
    "image_annotation": Example(
        labels=["rook", "crow"],
        form={"shape": "box", "most": 2},
        right=_drawn(_box(10.0)),
        near=_drawn(_box(12.0)),
        far=_drawn(_box(200.0)),
        wrong=[
            (_drawn(_box(10.0, "jay")), "/payload/annotations/0/label"),
            ({"annotations": [_box(10.0)] * 3}, "/payload/annotations"),
            (_drawn(_box(10.0, width=-1)), "/payload/annotations/0/width"),
            (_drawn({"label": "rook", "x": 1, "y": 2}), "/payload/annotations/0/left"),
            (_drawn(_box(1e300)), "/payload/annotations/0/left"),
        ],
        no_project=[
            (["rook"], {}, "/form/shape"),
            (["rook"], {"shape": "blob"}, "/form/shape"),
            (["rook"], {"shape": "box", "tolerance": 3}, "/form/tolerance"),
            ([], {"shape": "box"}, "/labels"),
        ],
    ),
}

SHAPES: dict[str, Example] = {
    "polygon": Example(
        labels=["rook"],
        form={"shape": "polygon"},
        right=_drawn({"label": "rook", "vertices": _vertices((0, 0), (40, 0), (0, 40))}),
        near=_drawn({"label": "rook", "vertices": _vertices((0, 0), (42, 0), (0, 40))}),
        far=_drawn({"label": "rook", "vertices": _vertices((90, 90), (99, 90), (90, 99))}),
        wrong=[(_drawn({"label": "rook", "vertices": _vertices((0, 0), (4, 0))}), "/payload/annotations/0/vertices")],
    ),
    "line": Example(
        labels=["rook"],
        form={"shape": "line", "tolerance": 5},
        right=_drawn({"label": "rook", "vertices": _vertices((0, 0), (100, 0))}),
        near=_drawn({"label": "rook", "vertices": _vertices((0, 2), (100, 2))}),
        far=_drawn({"label": "rook", "vertices": _vertices((0, 50), (100, 50))}),
        wrong=[(_drawn({"label": "rook", "vertices": _vertices((0, 0))}), "/payload/annotations/0/vertices")],
    ),
    "point": Example(
        labels=["rook"],
        form={"shape": "point", "tolerance": 5},
        right=_drawn({"label": "rook", "x": 10, "y": 10}),
        near=_drawn({"label": "rook", "x": 12, "y": 10}),
        far=_drawn({"label": "rook", "x": 90, "y": 10}),
        wrong=[(_drawn({"label": "rook", "x": 10}), "/payload/annotations/0/y")],
    ),
    "cuboid": Example(
        labels=["rook"],
        form={"shape": "cuboid"},
        right=_drawn(_cuboid(0.0)),
        near=_drawn(_cuboid(2.0)),
        far=_drawn(_cuboid(300.0)),
        wrong=[(_drawn({"label": "rook", "vertices": _vertices((0, 0))}), "/payload/annotations/0/vertices")],
    ),
}

# Each example under a name of its own, with its type.
ALL: dict[str, tuple[str, Example]] = {
    **{name: (name, example) for name, example in EXAMPLES.items()},
    **{f"image_annotation of {shape}s": ("image_annotation", example) for shape, example in SHAPES.items()},
}
