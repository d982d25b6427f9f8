"""The kinds of scene: airport, harbour, road, field, and a mixture of anything."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.ops
from shapely.geometry import Polygon

from ros_sam_core.synthetic import ground
from ros_sam_core.synthetic.aircraft import airplane
from ros_sam_core.synthetic.canvas import Points
from ros_sam_core.synthetic.composer import Builder, Composer
from ros_sam_core.synthetic.coverage import rings_of
from ros_sam_core.synthetic.sites import blob, bridge, court, diamond, pier, running_track, storage_tank
from ros_sam_core.synthetic.sprites import rectangle, stroke
from ros_sam_core.synthetic.vehicles import train, vehicle
from ros_sam_core.synthetic.vessels import ship, wake, yacht

_OPEN = ("grass", "dry", "soil", "concrete", "asphalt", "sand")


def airport(scene: Composer) -> None:
    """Compose an apron with parked aircraft, taxiways, terminal buildings, service vehicles."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, str(rng.choice(["grass", "dry", "soil", "concrete"])))
    apron = ground.region(rng, canvas.shape, rng.uniform(0.5, 1.1))
    ground.fill(canvas, rng, str(rng.choice(["concrete", "concrete", "asphalt"])), apron)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.8:
        ground.slabs(canvas, rng, apron, angle, rng.uniform(5, 15) / scene.gsd_m)
    asphalt = ground.texture(canvas, rng, "asphalt")
    for _ in range(int(rng.integers(0, 3))):
        _taxiway(scene, angle + rng.choice([0.0, np.pi / 2]), asphalt)
    for _ in range(int(rng.integers(0, 4))):
        _house(scene, rng.uniform(25, 90) / scene.gsd_m, angle)
    facing = angle + rng.choice(4) * np.pi / 2
    for _ in range(scene.count(26)):
        turn = facing + rng.normal(0, 0.1) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
        scene.put(airplane, scene.size(14, 65), *scene.somewhere(), turn)
    for _ in range(scene.count(14)):
        turn = facing + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.2)
        scene.put(vehicle, scene.size(4.5, 12), *scene.somewhere(apron), turn)


def harbour(scene: Composer) -> None:
    """Compose water with ships under way, a quay, piers with rows of boats, bridges, tanks."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, "water")
    land = ground.region(rng, canvas.shape, rng.uniform(-0.1, 0.45))
    shore = land.buffer(rng.uniform(1, 6))
    ground.fill(canvas, rng, str(rng.choice(["sand", "concrete", "soil"])), shore)
    ground.fill(canvas, rng, str(rng.choice(["concrete", "asphalt", "grass", "soil"])), land)
    water = shapely.box(-80, -80, canvas.shape[1] + 80, canvas.shape[0] + 80).difference(shore)
    for _ in range(int(rng.integers(0, 6))):
        _house(scene, rng.uniform(15, 60) / scene.gsd_m, rng.uniform(0, np.pi), land)
    for _ in range(scene.count(4)):
        scene.put(storage_tank, scene.size(12, 50), *scene.somewhere(land), 0.0, zone=land)
    if rng.random() < 0.3:
        scene.put(bridge, scene.object_px[1], *scene.somewhere(water), rng.uniform(0, np.pi))
    for _ in range(int(rng.integers(0, 3))):
        _marina(scene, water)
    for _ in range(scene.count(20)):
        pose = scene.put(
            ship,
            scene.size(12, 220),
            *scene.somewhere(water),
            rng.uniform(0, 2 * np.pi),
            zone=water,
            gap_px=4,
        )
        if pose and rng.random() < 0.4:
            wake(canvas, pose, rng, 0.08)
    for _ in range(scene.count(8)):
        scene.put(vehicle, scene.size(4.5, 12), *scene.somewhere(land), rng.uniform(0, 2 * np.pi), zone=land)


def street(scene: Composer) -> None:
    """Compose roads with traffic, parking lots with dense rows, houses, trees, a railway."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, str(rng.choice(["grass", "dry", "soil", "concrete", "asphalt"])))
    if rng.random() < 0.3:
        ground.forest(
            canvas, rng, ground.region(rng, canvas.shape, rng.uniform(0.1, 0.4)), max(7 / scene.gsd_m, 4)
        )
    car_px = float(np.clip(scene.size(4.2, 5.2), *scene.object_px))
    lane = car_px * 0.72
    asphalt = ground.texture(canvas, rng, "asphalt")
    roads = [(_path(scene), int(rng.integers(1, 4)) * 2) for _ in range(int(rng.integers(1, 4)))]
    surfaces = [ground.road(canvas, rng, path, lane, lanes, asphalt) for path, lanes in roads]
    if rng.random() < 0.4:
        _railway(scene, lane)
    paved = shapely.union_all(surfaces)
    for _ in range(int(rng.integers(0, 3))):
        _parking(scene, car_px, asphalt, paved)
    for surface in surfaces:
        scene.reserve(surface)
    for _ in range(int(rng.integers(0, 14))):
        _house(scene, rng.uniform(10, 40) / scene.gsd_m, rng.uniform(0, np.pi))
    for _ in range(int(rng.integers(0, 25))):
        _plant(scene, paved)
    scene.clear(paved)
    for path, lanes in roads:
        _traffic(scene, path, lanes, lane, car_px)
    for _ in range(scene.count(2)):
        scene.put(storage_tank, scene.size(10, 40), *scene.somewhere(), 0.0)


def field(scene: Composer) -> None:
    """Compose sports grounds among grass and trees: courts, diamonds, running tracks."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, str(rng.choice(["grass", "grass", "dry", "soil"])))
    if rng.random() < 0.6:
        ground.forest(
            canvas, rng, ground.region(rng, canvas.shape, rng.uniform(0.05, 0.35)), max(7 / scene.gsd_m, 4)
        )
    asphalt = ground.texture(canvas, rng, "asphalt")
    lane = max(3.5 / scene.gsd_m, 3)
    for _ in range(int(rng.integers(0, 3))):
        scene.reserve(ground.road(canvas, rng, _path(scene), lane, 2, asphalt))
    for _ in range(int(rng.integers(0, 10))):
        _house(scene, rng.uniform(10, 50) / scene.gsd_m, rng.uniform(0, np.pi))
    if rng.random() < 0.6:
        scene.put(
            running_track, scene.object_px[1] * rng.uniform(0.6, 1), *scene.somewhere(), rng.uniform(0, np.pi)
        )
    for _ in range(scene.count(4)):
        scene.put(diamond, scene.size(28, 70), *scene.somewhere(), rng.uniform(0, 2 * np.pi), gap_px=6)
    for _ in range(int(rng.integers(1, 4))):
        _courts(scene)
    for _ in range(scene.count(3)):
        scene.put(storage_tank, scene.size(10, 40), *scene.somewhere(), 0.0)
    for _ in range(int(rng.integers(0, 30))):
        _plant(scene, None)
    for _ in range(scene.count(10)):
        scene.put(vehicle, scene.size(4.5, 10), *scene.somewhere(), rng.uniform(0, 2 * np.pi))


def mixed(scene: Composer) -> None:
    """Compose patches of anything with objects of every class and size on them, and shapes of no class."""
    canvas, rng = scene.canvas, scene.rng
    names = [*_OPEN, "water"]
    ground.fill(canvas, rng, str(rng.choice(names)))
    for _ in range(int(rng.integers(1, 5))):
        area = ground.region(rng, canvas.shape, rng.uniform(0.0, 0.5))
        if rng.random() < 0.15:
            ground.forest(canvas, rng, area, rng.uniform(4, 16))
            continue
        ground.fill(canvas, rng, str(rng.choice(names)), area)
        if rng.random() < 0.4:
            ground.slabs(canvas, rng, area, rng.uniform(0, np.pi), rng.uniform(6, 50))
    asphalt = ground.texture(canvas, rng, "asphalt")
    for _ in range(int(rng.integers(0, 3))):
        ground.road(canvas, rng, _path(scene), rng.uniform(4, 25), int(rng.integers(1, 5)), asphalt)
    for _ in range(int(rng.integers(0, 6))):
        _house(scene, rng.uniform(10, 80), rng.uniform(0, np.pi))
    for _ in range(int(rng.integers(0, 12))):
        _plant(scene, None)
    builders: list[Builder] = [
        airplane,
        ship,
        yacht,
        vehicle,
        storage_tank,
        court,
        diamond,
        running_track,
        pier,
        bridge,
        blob,
    ]
    odds = np.array([5, 4, 1.5, 5, 2, 2, 1.5, 1, 0.7, 0.7, 5])
    for _ in range(scene.count(34)):
        builder = builders[int(rng.choice(len(builders), p=odds / odds.sum()))]
        scene.put(builder, scene.any_size(), *scene.somewhere(), rng.uniform(0, 2 * np.pi))


def _path(scene: Composer) -> Points:
    """Return a gentle curve across the picture, float64 [N, 2]."""
    rng, (rows, columns) = scene.rng, scene.canvas.shape
    reach = float(np.hypot(rows, columns))
    along = np.linspace(-reach, reach, 33)
    bend = rng.normal(0, 0.12) * reach if rng.random() < 0.5 else 0.0
    path = np.stack([along, bend * (along / reach) ** 2 * 4], axis=1)
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved: Points = path @ turn + (rng.uniform(0.15, 0.85) * columns, rng.uniform(0.15, 0.85) * rows)
    return moved


def _taxiway(scene: Composer, angle: float, asphalt: np.ndarray) -> None:
    rng, canvas = scene.rng, scene.canvas
    reach = float(np.hypot(*canvas.shape))
    ahead = np.array([np.cos(angle), np.sin(angle)])
    middle = np.asarray(scene.somewhere())
    path = np.stack([middle - reach * ahead, middle + reach * ahead])
    runway = rng.random() < 0.3
    width = (rng.uniform(30, 60) if runway else rng.uniform(12, 28)) / scene.gsd_m
    canvas.paint(
        stroke(path, width), asphalt if rng.random() < 0.7 else (0.6, 0.6, 0.58), rng.uniform(0.5, 1.0)
    )
    if runway:
        canvas.paint(
            ground.dashes(path, width * 0.03, 30 / scene.gsd_m, 20 / scene.gsd_m), (0.88, 0.88, 0.86), 0.9
        )
        side = np.array([-ahead[1], ahead[0]]) * width * 0.46
        canvas.paint(
            [*stroke(path + side, width * 0.02), *stroke(path - side, width * 0.02)], (0.85, 0.85, 0.83), 0.8
        )
    else:
        canvas.paint(stroke(path, max(0.4 / scene.gsd_m, 0.6)), (0.75, 0.65, 0.25), rng.uniform(0.3, 0.9))


def _house(scene: Composer, length: float, angle: float, zone: Polygon | None = None) -> None:
    rng = scene.rng
    x, y = scene.somewhere(zone)
    half = np.array([length, length * rng.uniform(0.4, 1.0)]) / 2
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    ring = rectangle(-half[0], -half[1], half[0], half[1]) @ turn + (x, y)
    outline = Polygon(ring)
    if scene.free(outline.buffer(2)) and (zone is None or zone.contains(outline)):
        ground.building(scene.canvas, rng, ring, min(rng.uniform(4, 15) / scene.gsd_m, 40))
        scene.reserve(outline)


def _plant(scene: Composer, keep_off: Polygon | None) -> None:
    rng = scene.rng
    x, y = scene.somewhere()
    radius = float(np.clip(rng.uniform(1.5, 6) / scene.gsd_m, 2, 40))
    spot = shapely.Point(x, y).buffer(radius, quad_segs=3)
    if scene.free(spot) and (keep_off is None or not keep_off.intersects(spot)):
        ground.tree(scene.canvas, rng, x, y, radius)
        scene.reserve(spot)


def _marina(scene: Composer, water: Polygon) -> None:
    """Put a pier in the water with boats close side by side."""
    rng = scene.rng
    length, angle = scene.object_px[1] * rng.uniform(0.5, 1.0), rng.uniform(0, 2 * np.pi)
    x, y = scene.somewhere(water)
    pose = scene.put(pier, length, x, y, angle, faint=False)
    if pose is None:
        return
    ahead, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    boat = float(np.clip(scene.size(8, 20), scene.object_px[0], length / 3))
    for sign in (-1, 1):
        for at in np.arange(-0.45, 0.45, boat * rng.uniform(0.42, 0.55) / length):
            centre = pose.x, pose.y
            spot = np.asarray(centre) + ahead * at * length + side * sign * (boat * 0.55 + length * 0.06)
            if rng.random() < 0.8:
                turn = angle + sign * np.pi / 2 + rng.choice([0, np.pi])
                scene.put(yacht, boat * rng.uniform(0.8, 1.1), *spot, turn, zone=water, gap_px=0.5)


def _railway(scene: Composer, width: float) -> None:
    rng, canvas = scene.rng, scene.canvas
    path = _path(scene)
    line = shapely.LineString(path)
    bed = line.buffer(width * 0.9, cap_style="flat")
    ground.fill(canvas, rng, "soil", bed)
    for offset in (-0.25, 0.25):
        canvas.paint(
            stroke(ground.beside(path, offset * width), max(width * 0.06, 0.5)), (0.35, 0.33, 0.32), 0.8
        )
    length = min(scene.object_px[1] * rng.uniform(0.7, 1.3), line.length * 0.3)
    start = line.length * 0.5 + rng.uniform(-0.7, 0.2) * length
    piece = np.asarray(shapely.ops.substring(line, start, start + length).coords)
    centre = piece.mean(axis=0)
    sprite = train(rng, piece - centre, width * 0.75)
    scene.put_sprite(sprite, sprite.extent, float(centre[0]), float(centre[1]), 0.0)
    scene.reserve(bed)


def _parking(scene: Composer, car_px: float, asphalt: np.ndarray, paved: Polygon) -> None:
    """Lay a parking lot with rows of cars side by side."""
    rng, canvas = scene.rng, scene.canvas
    angle, (x, y) = rng.uniform(0, np.pi), scene.somewhere()
    bay, deep = car_px * rng.uniform(0.55, 0.68), car_px * 1.15
    columns, rows = int(rng.integers(5, 14)), int(rng.integers(1, 4))
    ahead, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    half = np.array([columns * bay / 2 + car_px * 0.5, rows * deep * 1.1 + car_px * 0.3])
    turn = np.stack([ahead, side])
    area = Polygon(rectangle(-half[0], -half[1], half[0], half[1]) @ turn + (x, y))
    if paved.intersects(area) or not scene.free(area):
        return
    canvas.paint(rings_of(area), asphalt, holes=True)
    full = rng.uniform(0.3, 0.95)
    for row in range(rows):
        for lane in (-0.5, 0.5):
            base = (2.2 * (row - (rows - 1) / 2) + lane) * deep
            for column in range(columns + 1):
                at = (column - columns / 2) * bay
                foot = np.array([x, y]) + ahead * at + side * (base - deep * 0.45)
                canvas.paint(
                    stroke([tuple(foot), tuple(foot + side * deep * 0.9)], max(car_px * 0.025, 0.3)),
                    (0.85, 0.85, 0.82),
                    0.6,
                )
                if column < columns and rng.random() < full:
                    spot = (
                        np.array([x, y])
                        + ahead * (at + bay / 2)
                        + side * (base + rng.normal(0, 0.04) * car_px)
                    )
                    facing = angle + np.pi / 2 + rng.choice([0, np.pi]) + rng.normal(0, 0.03)
                    scene.put(vehicle, car_px * rng.uniform(0.85, 1.05), *spot, facing, gap_px=0.3)
    scene.reserve(area)


def _traffic(scene: Composer, path: Points, lanes: int, lane_px: float, car_px: float) -> None:
    rng = scene.rng
    line = shapely.LineString(path)
    for _ in range(scene.count(18)):
        at = rng.uniform(0.2, 0.8) * line.length
        a, b = (np.asarray(line.interpolate(at + step).coords[0]) for step in (0.0, 1.0))
        ahead = b - a
        number = int(rng.integers(lanes))
        offset = (number + 0.5 - lanes / 2) * lane_px + rng.normal(0, 0.05) * lane_px
        spot = a + np.array([-ahead[1], ahead[0]]) * offset
        turn = np.arctan2(ahead[1], ahead[0]) + (np.pi if number * 2 < lanes else 0.0) + rng.normal(0, 0.03)
        scene.put(vehicle, car_px * float(rng.choice([0.9, 1.0, 1.1, 1.8])), *spot, turn, gap_px=1.0)


def _courts(scene: Composer) -> None:
    """Lay one to eight courts in rows on a ground of one colour."""
    rng = scene.rng
    length = scene.size(24, 30)
    angle, (x, y) = rng.uniform(0, np.pi), scene.somewhere()
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    pitch, deep = length * rng.uniform(0.66, 0.85), length * rng.uniform(1.1, 1.4)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    half = np.array([rows * deep, columns * pitch]) / 2 + length * 0.05
    area = Polygon(rectangle(-half[0], -half[1], half[0], half[1]) @ turn + (x, y))
    if not scene.free(area):
        return
    if rng.random() < 0.8:
        colour = tuple(float(value) for value in rng.uniform(0.2, 0.55, 3) * 0.4 + rng.uniform(0.15, 0.4))
        scene.canvas.paint(rings_of(area), (colour[0], colour[1], colour[2]), holes=True)
    for row in range(rows):
        for column in range(columns):
            local = np.array([(row + 0.5) * deep, (column + 0.5) * pitch]) - half + length * 0.05
            spot = local @ turn + (x, y)
            scene.put(court, length, *spot, angle, gap_px=0.5, faint=False)
    scene.reserve(area)
