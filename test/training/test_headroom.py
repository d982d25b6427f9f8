"""What several views and the best threshold would add, on a scene whose truth is known."""

from __future__ import annotations

import pytest

from ros_sam_core.predict.predictor import Predictor
from ros_sam_core.predict.segmenter import Segmenter
from ros_sam_core.synthetic import make_scene
from training.headroom import THRESHOLDS, as_markdown, headroom
from training.scenes import Scene, build_pyramid, object_of


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Segmenter.from_pretrained("ros-sam-tiny").predictor


def test_no_threshold_is_worse_than_the_models_own(predictor: Predictor) -> None:
    made = make_scene(3, shape=(256, 256), kind="airport", object_px=(24, 60))
    masks = [made.mask(i) for i in range(3)]
    objects = tuple(obj for i, mask in enumerate(masks) if (obj := object_of(mask, "airplane", id=i)))
    found = list(headroom(predictor, [Scene(build_pyramid(made.rgb), objects, "made up")]))
    assert len(found) == 3
    assert 0 in THRESHOLDS
    for one in found:
        assert one.best_threshold >= one.as_it_is > 0.5
        assert one.four_views > 0.5
        assert 0.6 < one.area < 1.6
    mean = sum(one.best_threshold for one in found) / 3
    assert "| airplane | 3 | " in as_markdown(found)
    assert f" | {mean:.3f} | " in as_markdown(found)
