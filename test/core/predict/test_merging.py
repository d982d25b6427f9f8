"""Duplicates, seams, proposals and the journal, by numbers alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from ros_sam_core.errors import OutputExists, ResumeRefused
from ros_sam_core.predict.crop import Crop
from ros_sam_core.predict.everything.journal import TileJournal
from ros_sam_core.predict.everything.merging import Found, Overlap, SeamMerger
from ros_sam_core.predict.everything.proposals import merge, propose, stability_of
from ros_sam_core.predict.tiles import TileGrid

OVERLAP = Overlap(nms=0.5, nested=0.7)


def found(x0: float, y0: float, x1: float, y1: float, score: float, stability: float = 1.0) -> Found:
    return Found(shapely.box(x0, y0, x1, y1), score, stability, ((x0 + x1) / 2, (y0 + y1) / 2))


def test_of_outlines_that_overlap_the_best_stays() -> None:
    best, shifted, apart = found(0, 0, 10, 10, 0.9), found(2, 0, 12, 10, 0.8), found(6, 0, 16, 10, 0.7)
    assert OVERLAP.suppress([apart, shifted, best]) == [best, apart], "IoU 0.67 and 0.25"
    part = found(1, 1, 9, 6, 0.95)
    assert OVERLAP.suppress([best, part]) == [part], "nested: the better one stays"
    assert Overlap(nms=0.5, nested=1).suppress([best, part]) == [part, best]
    on_it = found(1, 1, 5, 4, 0.95)
    assert OVERLAP.suppress([best, on_it]) == [on_it, best], "0.12 of the area: an object on another"
    assert OVERLAP.suppress([shifted, apart], kept=[best]) == [apart]
    vague = found(1, 0, 11, 10, 0.95, stability=0.8)
    assert OVERLAP.suppress([vague, best]) == [best], "score times stability"


def test_an_object_that_two_tiles_found_stays_once_whichever_comes_first() -> None:
    tiles = TileGrid(3000, 2000, 1000, 0)
    left, right = found(980, 500, 1015, 530, 0.8), found(982, 500, 1020, 530, 0.9)
    below = found(985, 515, 1018, 1020, 0.3)
    merger = SeamMerger(tiles, OVERLAP)
    stay = list(merger.add(0, 0, [left]))
    stay += merger.add(0, 1, [right])
    stay += merger.add(0, 2, [])
    assert stay == [], "the row below may still hold a better one"
    stay += merger.add(1, 0, [below, found(5, 1500, 30, 1520, 0.5)])
    stay += merger.add(1, 1, [])
    assert stay == [], "the neighbour to the right is better than the left one"
    stay += merger.add(1, 2, [])
    assert stay == [right]
    stay += merger.finish()
    assert [one.score for one in stay] == [0.9, 0.5, 0.3]


def test_tiles_that_are_not_neighbours_may_find_one_object() -> None:
    tiles = TileGrid(4000, 4000, 1000, 0)
    far, near = found(1500, 1500, 2500, 2500, 0.9), found(1510, 1500, 2500, 2500, 0.8)
    merger = SeamMerger(tiles, OVERLAP, reach=2)
    stay = [
        one
        for tile in tiles
        for one in merger.add(
            tile.row, tile.column, {(1, 1): [near], (3, 3): [far]}.get((tile.row, tile.column), [])
        )
    ]
    assert [*stay, *merger.finish()] == [far]


def test_nothing_that_stays_overlaps_whatever_the_tiles() -> None:
    rng = np.random.default_rng(0)
    many = []
    for x, y, size, score in rng.uniform([0, 0, 20, 0], [1000, 1000, 80, 1], (400, 4)):
        many.append(found(x, y, min(x + size, 1000), min(y + size * 0.6 + 8, 1000), float(score)))
    tiles = TileGrid(1000, 1000, 200, 0)
    merger, stay = SeamMerger(tiles, OVERLAP), []
    places = tiles.owners([one.point for one in many])
    for tile in tiles:
        own = [
            one for one, place in zip(many, places.tolist(), strict=True) if place == [tile.row, tile.column]
        ]
        stay += merger.add(tile.row, tile.column, OVERLAP.suppress(own))
    stay += merger.finish()
    assert len(OVERLAP.suppress(stay)) == len(stay)
    alive = OVERLAP.suppress(many)
    assert abs(len(stay) - len(alive)) <= 0.1 * len(alive), "nearly what one look at all of them gives"


def test_masks_that_touch_the_crops_edge_are_background_save_at_the_frames_edge() -> None:
    logits = np.full((3, 1, 20, 20), -4, np.float32)
    logits[0, 0, 5:9, 4:12] = 4
    logits[1, 0, 5:9, 12:] = 4  # reaches the right edge
    logits[2, 0, 1:19, 1:19] = 4  # fills the crop
    xy = np.array([[30.0, 30.0], [90.0, 30.0], [50.0, 50.0]])
    iou = np.full((3, 1), 0.9, np.float32)
    inside = propose(Crop(10, 0, 100), xy, logits, iou, (500, 500), 0.65)
    assert [one.box for one in inside] == [(30.0, 25.0, 70.0, 45.0)]
    assert inside[0].point == (30.0, 30.0) and inside[0].score == pytest.approx(0.9)
    assert len(propose(Crop(10, 0, 100), xy, logits, iou, (110, 500), 0.65)) == 2
    assert propose(Crop(10, 0, 100), xy, logits, iou * 0.5, (500, 500), 0.65) == []
    assert len(merge([*inside, *inside])) == 1


def test_stability_is_the_iou_of_two_thresholds() -> None:
    logits = np.zeros((1, 4, 4), np.float32) - 9
    logits[0, :2], logits[0, 2] = 9, 0.5
    assert stability_of(logits, 1.0).tolist() == [8 / 12]
    assert stability_of(np.full((1, 4, 4), -9, np.float32), 1.0).tolist() == [0.0]


def test_a_journal_goes_on_after_a_write_that_was_cut_off(tmp_path: Path) -> None:
    path, work = tmp_path / "out.gpkg.part.arrows", {"model": "a"}
    first, second = found(0, 0, 10, 10, 0.9), found(5, 5, 9, 9, 0.1)
    journal = TileJournal(path, work, resume=False)
    journal.add(3, [first, second])
    journal.add(4, [])
    journal.note((12345678901234567, 8))
    with pytest.raises(OutputExists, match="another run"):
        TileJournal(path, work, resume=True)
    journal.close()
    whole = path.read_bytes()
    with TileJournalOf(path, work) as again:
        again.add(7, [first])
    cut = path.read_bytes()[:-20]
    path.write_bytes(cut)
    with TileJournalOf(path, work) as again:
        assert (len(again), 4 in again, 7 in again) == (2, True, False)
        assert again.published == {(12345678901234567, 8)}
        assert path.read_bytes() == whole
        again.add(9, [second])
        again.add(1, [first])
        assert list(again.replay()) == [(1, [first]), (3, [first, second]), (4, []), (9, [second])]
    with pytest.raises(ResumeRefused, match="another model"):
        TileJournal(path, {"model": "b"}, resume=True)


class TileJournalOf:
    """A journal that is gone on with, and closed."""

    def __init__(self, path: Path, work: dict[str, str]) -> None:
        self._journal = TileJournal(path, work, resume=True)

    def __enter__(self) -> TileJournal:
        return self._journal

    def __exit__(self, *_: object) -> None:
        self._journal.close()
