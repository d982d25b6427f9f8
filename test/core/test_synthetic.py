"""Scenes: the truth is exact, a seed gives one scene, and the picture shows what the truth says."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box
from skimage.draw import polygon2mask

from ros_sam_core.synthetic import coverage, make_scene, rings_of
from ros_sam_core.synthetic.aircraft import airplane
from ros_sam_core.synthetic.canvas import Canvas
from ros_sam_core.synthetic.composer import Composer
from ros_sam_core.synthetic.sites import blob, bridge, court, diamond, pier, running_track, storage_tank
from ros_sam_core.synthetic.sprites import Pose, Sprite, cast, stamp
from ros_sam_core.synthetic.vehicles import train, vehicle
from ros_sam_core.synthetic.vessels import ship, yacht

KINDS = ["mixed", "airport", "harbour", "road", "field"]
BUILDERS = [airplane, ship, yacht, vehicle, storage_tank, court, diamond, running_track, pier, bridge, blob]
MOVES = [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]


def canvas_of(value: float, shape: tuple[int, int] = (96, 96)) -> Canvas:
    canvas = Canvas.blank(np.random.default_rng(0), shape)
    canvas.rgb[:] = value
    return canvas


def supersampled(polygon: Polygon, shape: tuple[int, int], times: int = 16) -> np.ndarray:
    """Coverage by another road: `times` x `times` sample points a pixel, tested by shapely."""
    at = (np.arange(max(shape) * times) + 0.5) / times
    x, y = np.meshgrid(at[: shape[1] * times], at[: shape[0] * times])
    inside = shapely.contains_xy(polygon, x.ravel(), y.ravel()).reshape(x.shape)
    return inside.reshape(shape[0], times, shape[1], times).mean(axis=(1, 3))


@pytest.fixture(scope="module", params=KINDS)
def scene(request):
    return make_scene(3, (256, 320), request.param, density=1.5)


class TestCoverage:
    def test_rectangle_shares_are_products_of_the_overlaps(self):
        got = coverage(rings_of(box(1.25, 0.5, 3.5, 2.75)), (4, 5))
        expected = np.outer([0.5, 1, 0.75, 0], [0, 0.75, 1, 0.5, 0])
        np.testing.assert_allclose(got, expected, atol=1e-7)

    def test_triangle_halves_the_pixels_on_its_diagonal(self):
        got = coverage(rings_of(Polygon([(0, 0), (4, 0), (0, 4)])), (4, 4))
        expected = np.array([[1, 1, 1, 0.5], [1, 1, 0.5, 0], [1, 0.5, 0, 0], [0.5, 0, 0, 0]])
        np.testing.assert_allclose(got, expected, atol=1e-7)

    def test_a_hole_is_left_out(self):
        ring = Point(10, 10).buffer(8).difference(Point(11, 9).buffer(4))
        got = coverage(rings_of(ring), (20, 20))
        assert got.sum() == pytest.approx(ring.area, rel=1e-6)
        assert got[9, 11] == 0

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_sum_is_the_area_inside_the_picture(self, seed):
        rng = np.random.default_rng(seed)
        polygon = Polygon(rng.uniform(-15, 45, (6, 2))).buffer(0)
        if isinstance(polygon, shapely.MultiPolygon):
            polygon = max(polygon.geoms, key=lambda part: part.area)
        got = coverage(rings_of(polygon), (24, 31))
        assert got.sum() == pytest.approx(polygon.intersection(box(0, 0, 31, 24)).area, abs=1e-3)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_every_pixel_agrees_with_sampling(self, seed):
        rng = np.random.default_rng(seed)
        polygon = Polygon(rng.uniform(2, 22, (5, 2))).convex_hull
        assert np.abs(coverage(rings_of(polygon), (24, 24)) - supersampled(polygon, (24, 24))).max() < 0.09

    def test_window_with_an_origin_is_a_cut_of_the_whole(self):
        rings = rings_of(Point(14.3, 11.8).buffer(7.7))
        whole = coverage(rings, (30, 30))
        np.testing.assert_allclose(coverage(rings, (9, 12), (10, 5)), whole[5:14, 10:22], atol=1e-6)

    @pytest.mark.parametrize("polygon", [Polygon(), box(-9, -9, -1, -1), box(50, 2, 60, 9)])
    def test_nothing_in_the_picture_is_all_zero(self, polygon):
        assert not coverage(rings_of(polygon), (16, 16)).any()


def stamped_opacity(sprite: Sprite, pose: Pose) -> np.ndarray:
    """Opacity as painted: the sprite all in white on black, so that nothing but its outline decides."""
    canvas = canvas_of(0.0)
    stamp(canvas, Sprite(sprite.class_name, sprite.outline, (1.0, 1.0, 1.0), mottle=0.0), pose)
    return canvas.rgb[..., 0]


class TestObjects:
    @pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
    @pytest.mark.parametrize("size_px", [9.0, 24.0, 70.0])
    def test_painted_opacity_is_the_outlines_coverage(self, builder, size_px):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            sprite = builder(rng, (0.6, 0.8))
            pose = Pose(48.3, 47.6, size_px / sprite.extent, rng.uniform(0, 6.3))
            outline, opacity = pose.place(sprite.outline), stamped_opacity(sprite, pose)
            assert opacity.sum() == pytest.approx(outline.intersection(box(0, 0, 96, 96)).area, rel=1e-3)
            assert np.abs(opacity - supersampled(outline, (96, 96), 8)).max() < 0.15

    @pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
    def test_nothing_is_painted_outside_the_outline(self, builder):
        sprite = builder(np.random.default_rng(1), (0.6, 0.8))
        canvas = canvas_of(0.4)
        outline = stamp(canvas, sprite, Pose(48.3, 47.6, 70 / sprite.extent, 1.1))
        outside = coverage(rings_of(outline), (96, 96)) == 0
        assert (canvas.rgb[outside] == np.float32(0.4)).all()
        assert (canvas.rgb[~outside] != np.float32(0.4)).any(axis=1).mean() > 0.9

    @pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
    def test_rasterised_truth_is_where_the_paint_covers_more_than_half(self, builder):
        sprite = builder(np.random.default_rng(5), (0.6, 0.8))
        pose = Pose(47.9, 48.4, 70 / sprite.extent, 0.7)
        painted = stamped_opacity(sprite, pose) > 0.5
        outline = pose.place(sprite.outline)
        row_column = (
            np.asarray(outline.exterior.coords)[:, ::-1] - 0.5
        )  # whole numbers are pixel centres there
        truth = polygon2mask((96, 96), row_column)
        assert (painted & truth).sum() / (painted | truth).sum() > 0.97

    @pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
    def test_outline_has_one_part_no_holes_and_unit_size(self, builder):
        for seed in range(40):
            sprite = builder(np.random.default_rng(seed), (1.0, 0.0))
            assert isinstance(sprite.outline, Polygon)
            assert sprite.outline.is_valid
            assert not sprite.outline.interiors
            assert 0.5 < sprite.extent < 1.8

    def test_pose_turns_x_towards_y_and_moves_to_the_centre(self):
        pose = Pose(10.0, 20.0, 2.0, np.pi / 2)
        moved = pose.apply(np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]))
        np.testing.assert_allclose(moved, [(10, 20), (10, 22), (8, 20)], atol=1e-12)

    def test_train_covers_its_path(self):
        path = np.array([(0.0, 0.0), (30.0, 4.0), (60.0, 0.0)])
        sprite = train(np.random.default_rng(0), path, 4.0)
        assert sprite.class_name == "train"
        assert sprite.outline.buffer(1e-6).covers(shapely.LineString(path))
        assert sprite.outline.area == pytest.approx(4 * shapely.LineString(path).length, rel=0.02)

    def test_shadow_is_cast_beside_the_object_and_is_no_part_of_it(self):
        canvas = canvas_of(0.5)
        canvas.sun = (1.0, 0.0)
        sprite = storage_tank(np.random.default_rng(0), canvas.sun)
        pose = Pose(40, 48, 30 / sprite.extent, 0.0)
        cast(canvas, sprite, pose)
        canvas.settle()
        outline = stamp(canvas, sprite, pose)
        darker = (canvas.rgb.mean(axis=2) < 0.45) & (coverage(rings_of(outline), (96, 96)) == 0)
        columns = np.nonzero(darker)[1]
        assert len(columns) > 10
        assert columns.min() > outline.centroid.x

    def test_faint_object_still_differs_from_the_ground(self):
        for seed in range(20):
            canvas = canvas_of(0.93)
            sprite = airplane(np.random.default_rng(seed), (1.0, 0.0))
            outline = stamp(canvas, sprite, Pose(48, 48, 60 / sprite.extent, 0.3), contrast=0.05)
            inside = coverage(rings_of(outline), (96, 96)) == 1
            assert np.abs(canvas.rgb[inside].mean(axis=0) - 0.93).max() > 0.04


class TestScenes:
    def test_picture_and_truth_have_the_promised_form(self, scene):
        assert scene.rgb.shape == (256, 320, 3)
        assert scene.rgb.dtype == np.uint8
        assert scene.gsd_m > 0
        assert len(scene.instances) >= 3
        frame = box(0, 0, 320, 256)
        for index, instance in enumerate(scene.instances):
            assert isinstance(instance.polygon, Polygon)
            assert instance.polygon.is_valid
            assert frame.buffer(1e-9).covers(instance.polygon)
            assert instance.box == instance.polygon.bounds
            assert scene.coverage(index).sum() == pytest.approx(instance.polygon.area, rel=1e-4)
            np.testing.assert_array_equal(scene.mask(index), scene.coverage(index) > 0.5)

    def test_objects_do_not_overlap(self, scene):
        total = sum(scene.coverage(index) for index in range(len(scene.instances)))
        assert (total > 1.01).mean() < 0.0005

    def test_same_seed_same_scene_other_seed_other_scene(self):
        first, again, other = (make_scene(seed, (128, 128)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.rgb, again.rgb)
        assert [i.polygon for i in first.instances] == [i.polygon for i in again.instances]
        assert not np.array_equal(first.rgb, other.rgb)

    @pytest.mark.parametrize("degrade", [0.0, 1.0])
    def test_edges_in_the_picture_lie_on_the_truth(self, degrade):
        """The gradient is strongest on the outlines, not half a pixel inside or outside, nor moved."""
        strength: dict[tuple[float, float, float], list[float]] = {}
        for seed in range(6):
            made = make_scene(seed, (320, 320), "airport", degrade=degrade, object_px=(30, 90))
            light = made.rgb.astype(float).mean(axis=2)
            gradient = np.hypot(scipy.ndimage.sobel(light, 0), scipy.ndimage.sobel(light, 1))
            for instance in made.instances:
                inner = box(3, 3, 317, 317)
                for grow, dx, dy in MOVES:
                    line = shapely.affinity.translate(instance.polygon.buffer(grow), dx, dy).boundary
                    points = shapely.get_coordinates(shapely.segmentize(line.intersection(inner), 1.0))
                    if len(points):
                        values = scipy.ndimage.map_coordinates(gradient, points[:, ::-1].T - 0.5, order=1)
                        strength.setdefault((grow, dx, dy), []).append(float(values.mean()))
        means = {key: np.mean(values) for key, values in strength.items()}
        best = means.pop((0, 0, 0))
        assert all(best > 1.1 * value for value in means.values()), (best, means)

    def test_object_sizes_keep_to_the_range(self):
        for kind in KINDS:
            made = make_scene(11, (320, 320), kind, object_px=(24, 60), density=2)
            frame = box(0.5, 0.5, 319.5, 319.5)
            for instance in made.instances:
                if frame.covers(instance.polygon) and instance.class_name != "train":
                    longest = instance.polygon.minimum_rotated_rectangle
                    x, y = longest.exterior.coords.xy
                    side = max(np.hypot(np.diff(x), np.diff(y)))
                    assert 18 <= side <= 60 * 1.45, instance.class_name

    def test_every_class_turns_up(self):
        made = [make_scene(seed, (256, 256), kind) for kind in KINDS for seed in range(8)]
        names = {instance.class_name for scene in made for instance in scene.instances}
        expected = {"airplane", "ship", "vehicle", "train", "storage_tank", "harbor", "bridge", "object"}
        expected |= {"baseball_diamond", "ground_track_field", "tennis_court", "basketball_court"}
        assert names == expected

    def test_density_scales_the_number_of_objects(self):
        few, many = (
            sum(len(make_scene(seed, (256, 256), density=density).instances) for seed in range(6))
            for density in (0.5, 2.0)
        )
        assert many > 1.7 * few

    @pytest.mark.parametrize(
        "wrong",
        [
            {"shape": (32, 512)}, {"kind": "moon"}, {"density": 0.0}, {"density": float("nan")},
            {"object_px": (50, 20)}, {"object_px": (2, 20)}, {"object_px": (10, 5000)}, {"degrade": -1.0},
        ],
        ids=str,
    )  # fmt: skip
    def test_wrong_arguments_are_named(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make_scene(0, **wrong)


def test_composer_keeps_objects_apart_and_off_what_is_reserved():
    canvas = canvas_of(0.5, (128, 128))
    composer = Composer(canvas, np.random.default_rng(0), (10, 40), 0.5, 1.0)
    composer.reserve(box(0, 0, 64, 128))
    assert composer.put(airplane, 30, (32, 64), 0.0) is None
    assert composer.put(airplane, 30, (100, 64), 0.0) is not None
    assert composer.put(vehicle, 10, (100, 64), 0.0) is None
    composer.clear(box(0, 0, 128, 128))
    assert composer.put(vehicle, 10, (100, 64), 0.0) is None
    assert composer.put(airplane, 30, (32, 64), 0.0) is not None


def test_importing_loads_neither_torch_nor_rasterio():
    code = "import sys, ros_sam_core.synthetic; print([m for m in ('torch', 'rasterio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
