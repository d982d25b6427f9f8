"""Groups of prompts: every prompt once, neighbours together, no crop in two groups."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from ros_sam_core.errors import InvalidParameter, PromptError
from ros_sam_core.geo.grid import Grid
from ros_sam_core.geo.prompt_table import PromptTable
from ros_sam_core.geo.prompts import Prompt, to_pixels
from ros_sam_core.model.config import CropPolicy
from ros_sam_core.predict.crop import crop_around
from ros_sam_core.predict.groups import GroupSize, group_prompts, size_for

UTM, WGS84 = CRS("EPSG:32633"), CRS("EPSG:4326")
WIDE = Grid((20_000, 1_000_000), Affine(0.5, 0, 400_000, 0, -0.5, 5_300_000), UTM)
SMALL = CropPolicy(kind="scaled", scale=1.8, min_px=24, snap=0.0625, click_px=(64, 144))
LARGE = CropPolicy(kind="fixed", crop_px=512, snap=0.25)


def boxes(count: int, seed: int = 0, grid: Grid = WIDE) -> PromptTable:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1, (count, 2)) * (np.array(grid.size) - 100)
    corners = [grid.pixel_to_map(xy + side) for side in (0, rng.uniform(8, 90, (count, 2)))]
    return PromptTable.of([f"b{i}" for i in range(count)], grid.crs, boxes=np.hstack(corners))


@pytest.mark.parametrize("policy", [SMALL, LARGE])
def test_every_prompt_is_in_one_group_and_every_crop_too(policy: CropPolicy) -> None:
    tight = Grid((1500, 1500), WIDE.transform, UTM)
    table = boxes(600, grid=tight)
    groups = list(group_prompts(table, tight, policy, GroupSize(prompts=10, crops=4)))
    assert sorted(np.concatenate(groups).tolist()) == list(range(600))
    homes: dict[object, set[int]] = {}
    for home, numbers in enumerate(groups):
        crops = [crop_around(to_pixels(table[n], tight).box, policy, tight) for n in numbers.tolist()]
        assert len(set(crops)) <= 4
        for crop in crops:
            homes.setdefault(crop, set()).add(home)
    assert all(len(home) == 1 for home in homes.values())
    if policy is LARGE:
        assert len(homes) < 300, "neighbours share a crop"


def test_the_order_of_the_file_does_not_matter() -> None:
    table = boxes(500)
    shuffled = np.random.default_rng(1).permutation(500)
    here = [set(group.tolist()) for group in group_prompts(table, WIDE, SMALL, GroupSize())]
    there = group_prompts(table.take(shuffled), WIDE, SMALL, GroupSize())
    assert here == [set(shuffled[group].tolist()) for group in there]


def test_neighbours_come_together() -> None:
    table = boxes(20_000)
    order = np.concatenate(list(group_prompts(table, WIDE, SMALL, GroupSize())))
    centres = table.boxes[:, :2]
    steps = np.linalg.norm(np.diff(centres[order], axis=0), axis=1)
    assert np.median(steps) < 2500, "two steps of a lattice of 20 000 over the scene's 10 km x 500 km"


def test_many_prompts_in_one_crop_are_cut() -> None:
    table = PromptTable.of([str(i) for i in range(2500)], None, boxes=np.tile([10, 10, 30, 30], (2500, 1)))
    sizes = [len(group) for group in group_prompts(table, Grid((100, 100)), SMALL, GroupSize(most=1000))]
    assert sizes == [1000, 1000, 500]
    assert list(group_prompts(table.take(np.arange(0)), Grid((100, 100)), SMALL, GroupSize())) == []


def test_prompts_without_a_place_come_last() -> None:
    prompts = [
        Prompt("far", box=(4e5, 9e9, 5e5, 9.1e9), crs=UTM),
        Prompt("click", points=((400_100, 5_299_900), (400_200, 5_299_900)), labels=(1, 0), crs=UTM),
        Prompt(
            "both", points=((400_300, 5_299_900),), box=(400_290, 5_299_890, 400_310, 5_299_910), crs=WIDE.crs
        ),
        Prompt("beside", points=((1.0, 1.0),), crs=UTM),
    ]
    table = PromptTable.from_prompts(prompts)
    assert list(table) == prompts
    extents = table.pixel_extents(WIDE)
    assert extents[1].tolist() == [200, 200, 200, 200]
    assert extents[2].tolist() == [580, 180, 620, 220]
    assert np.isnan(extents[3]).all()
    (only,) = group_prompts(table, WIDE, SMALL, GroupSize())
    assert only.tolist()[-1] == 3 and set(only.tolist()[:2]) <= {0, 1, 2}


def test_a_table_gives_back_its_prompts_in_any_order() -> None:
    prompts = [
        Prompt("a", points=((1, 2), (3, 4)), labels=(1, 0)),
        Prompt("b", box=(1, 2, 3, 4)),
        Prompt("c", points=((5, 6),), box=(1, 2, 8, 9)),
    ]
    table = PromptTable.from_prompts(prompts)
    assert list(table.take(np.array([2, 0, 1, 2]))) == [prompts[i] for i in (2, 0, 1, 2)]
    assert table.digest() != table.take(np.array([1, 0, 2])).digest()
    with pytest.raises(PromptError, match="prompt z is in EPSG:4326"):
        PromptTable.from_prompts([*prompts, Prompt("z", box=(1, 2, 3, 4), crs=WGS84)])


def test_extents_are_those_of_single_prompts() -> None:
    turned = Grid((4000, 4000), WIDE.transform @ Affine.rotation(20), UTM)
    xy = turned.pixel_to_map(np.random.default_rng(2).uniform(100, 3000, (50, 2)))
    low = np.column_stack(Transformer.from_crs(32633, 4326, always_xy=True).transform(*xy.T))
    table = PromptTable.of([str(i) for i in range(50)], WGS84, boxes=np.hstack([low, low + 2e-4]))
    single = [to_pixels(prompt, turned).box for prompt in table]
    np.testing.assert_array_equal(table.pixel_extents(turned), single)
    nowhere = PromptTable.of(["n", "p"], WGS84, boxes=[[0, 95, 1, 96], [15, 45, 15.1, 45.1]])
    assert np.isnan(nowhere.pixel_extents(turned)[0]).all()


def test_large_models_take_one_crop_a_group() -> None:
    assert size_for(1024).crops == 1 and size_for(192).crops > 1
    with pytest.raises(InvalidParameter, match="1 prompt or more"):
        GroupSize(prompts=0)
