"""What is typed as prompts and bands becomes values, or one clear error."""

from __future__ import annotations

import pytest
from pyproj import CRS

from ros_sam_core.cli.given import parse_bands, parse_prompts
from ros_sam_core.errors import BandsInvalid, PromptInvalid


def test_every_box_is_an_object() -> None:
    first, second = parse_prompts(["-71.2 42 -71.1 42.1", "1e3,2e3, 3e3,4e3"], [], CRS.from_epsg(4326))
    assert (first.id, first.box, first.kind) == ("1", (-71.2, 42.0, -71.1, 42.1), "box")
    assert (second.id, second.box) == ("2", (1000.0, 2000.0, 3000.0, 4000.0))
    assert first.crs == CRS.from_epsg(4326)


def test_all_points_are_one_object() -> None:
    (prompt,) = parse_prompts([], ["-71.2 42", "-71.3 42 0", "-71.4,42,1"], None)
    assert prompt.points == ((-71.2, 42.0), (-71.3, 42.0), (-71.4, 42.0))
    assert prompt.labels == (1, 0, 1)
    assert prompt.box is None and prompt.crs is None


def test_points_refine_a_single_box() -> None:
    (prompt,) = parse_prompts(["0 0 10 10"], ["5 5", "9 9 0"], None)
    assert (prompt.kind, prompt.box, prompt.labels) == ("box+points", (0.0, 0.0, 10.0, 10.0), (1, 0))


@pytest.mark.parametrize(
    ("boxes", "points", "words"),
    [
        (["1 2 3"], [], "'1 2 3' has 3 numbers"),
        (["1 2 3 x"], [], "could not convert string to float: 'x'"),
        (["1 2 nan 4"], [], "not finite"),
        ([""], [], "0 numbers"),
        ([], ["1"], "no point"),
        ([], ["1 2 2"], "1 (on the object) or 0"),
        ([], ["1 2 0.5"], "1 (on the object) or 0"),
        ([], ["1 2 0"], "no point on the object"),
        (["1 1 1 5"], [], "no width"),
        (["0 0 1 1", "2 2 3 3"], ["0.5 0.5"], "belong to one object"),
    ],
)
def test_what_makes_no_prompt_is_named(boxes: list[str], points: list[str], words: str) -> None:
    with pytest.raises(PromptInvalid) as caught:
        parse_prompts(boxes, points, None)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "bands"), [(None, None), ("3,2,1", (3, 2, 1)), ("4 3 2", (4, 3, 2)), ("1", (1,))]
)
def test_bands(text: str | None, bands: tuple[int, ...] | None) -> None:
    assert parse_bands(text) == bands


@pytest.mark.parametrize("text", ["red", "1.5", "1,x"])
def test_bands_that_are_no_numbers(text: str) -> None:
    with pytest.raises(BandsInvalid, match=text.replace(".", r"\.")):
        parse_bands(text)
