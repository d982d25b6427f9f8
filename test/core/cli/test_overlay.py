"""Outlines lie on the picture where they lie on the image."""

from __future__ import annotations

import numpy as np
import shapely

from ros_sam_core.cli.overlay import draw_overlay


def test_outlines_are_where_they_belong() -> None:
    rgb = np.full((40, 60, 3), 100, np.uint8)
    ring = shapely.box(10, 5, 30, 25).difference(shapely.box(15, 10, 25, 20))
    far = shapely.MultiPolygon([shapely.box(40, 5, 45, 10), shapely.box(50, 30, 58, 38)])
    picture = np.asarray(draw_overlay(rgb, [ring, far], zoom=2)).astype(int)
    assert picture.shape == (80, 120, 3)
    assert (rgb == 100).all()

    changed = np.abs(picture - 100).sum(axis=2) > 0
    for column, row in [(12, 15), (42, 7), (54, 34)]:
        assert changed[2 * row, 2 * column], "inside an outline the picture is tinted"
    for column, row in [(20, 15), (35, 15), (5, 30), (48, 20)]:
        assert not changed[2 * row, 2 * column], "in a hole and outside it is not"
    edge = picture[2 * 15, 2 * 10 - 2 : 2 * 10 + 2].sum(axis=1)
    inside = picture[2 * 15, 2 * 12].sum()
    assert np.abs(edge - 300).max() > np.abs(inside - 300), "the line is stronger than the tint"


def test_boxes_are_thin_frames() -> None:
    rgb = np.full((20, 20, 3), 100, np.uint8)
    picture = np.asarray(draw_overlay(rgb, [], [(5, 5, 15, 15)], zoom=2)).astype(int)
    assert picture[10, 20].sum() > 300
    assert picture[20, 20].tolist() == [100, 100, 100]
