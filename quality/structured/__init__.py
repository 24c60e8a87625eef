"""Consensus for answers that are no class: texts, spans, boxes, polygons, numbers, pairs, rankings, sets."""
