"""Things that come together: a marina, a parking lot, traffic on a road, rows of courts, a row of houses."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.ops
from shapely.geometry import Polygon

from ros_sam_core.synthetic import ground, structures
from ros_sam_core.synthetic.canvas import Points
from ros_sam_core.synthetic.composer import Composer
from ros_sam_core.synthetic.coverage import FloatImage, rings_of
from ros_sam_core.synthetic.sites import court, pier, storage_tank
from ros_sam_core.synthetic.sprites import Pose, rectangle, stroke
from ros_sam_core.synthetic.vehicles import train, vehicle
from ros_sam_core.synthetic.vessels import yacht


def axes(angle: float) -> tuple[Points, Points]:
    """Return the unit vectors along an angle and to its right."""
    ahead = np.array([np.cos(angle), np.sin(angle)])
    return ahead, np.array([-ahead[1], ahead[0]])


def curve(scene: Composer) -> Points:
    """Return a straight or gently bent path across the picture, float64 [N, 2]."""
    rng, (rows, columns) = scene.rng, scene.canvas.shape
    reach = float(np.hypot(rows, columns))
    along = np.linspace(-reach, reach, 41)
    bend = rng.normal(0, 0.12) * reach if rng.random() < 0.5 else 0.0
    path = np.stack([along, bend * (along / reach) ** 2 * 4], axis=1)
    turn = np.stack(axes(rng.uniform(0, 2 * np.pi)))
    return path @ turn + (rng.uniform(0.15, 0.85) * columns, rng.uniform(0.15, 0.85) * rows)


def strip(scene: Composer, angle: float, asphalt: FloatImage) -> None:
    """Lay a taxiway or a runway across an airport."""
    rng, canvas = scene.rng, scene.canvas
    ahead, side = axes(angle)
    reach = float(np.hypot(*canvas.shape))
    middle = np.asarray(scene.somewhere())
    path = np.stack([middle - reach * ahead, middle + reach * ahead])
    runway = rng.random() < 0.3
    width = (rng.uniform(30, 60) if runway else rng.uniform(12, 28)) / scene.gsd_m
    canvas.paint(
        stroke(path, width), asphalt if rng.random() < 0.7 else (0.6, 0.6, 0.58), rng.uniform(0.5, 1.0)
    )
    if runway:
        marks = ground.dashes(path, width * 0.03, 30 / scene.gsd_m, 20 / scene.gsd_m)
        canvas.paint(marks, (0.88, 0.88, 0.86), 0.9)
        for sign in (-1, 1):
            canvas.paint(stroke(path + sign * side * width * 0.46, width * 0.02), (0.85, 0.85, 0.83), 0.8)
    else:
        canvas.paint(stroke(path, max(0.4 / scene.gsd_m, 0.6)), (0.75, 0.65, 0.25), rng.uniform(0.3, 0.9))


def gate(scene: Composer, pose: Pose, length: float) -> None:
    """Paint what surrounds a parked aircraft: lead-in line, bridge, carts that all but touch it."""
    rng, canvas = scene.rng, scene.canvas
    ahead, side = axes(pose.angle)
    centre = np.array([pose.x, pose.y])
    if rng.random() < 0.6:
        far = rng.uniform(0.6, 1.5, 2) * length
        colour = (0.8, 0.68, 0.25) if rng.random() < 0.6 else (0.9, 0.9, 0.88)
        lead_in = stroke(
            np.stack([centre - far[0] * ahead, centre + far[1] * ahead]), max(0.008 * length, 0.5)
        )
        canvas.paint(lead_in, colour, rng.uniform(0.3, 0.9))
    if rng.random() < 0.25:
        door = centre + ahead * length * rng.uniform(0.28, 0.4)
        end = door - side * length * 0.5 + ahead * length * rng.uniform(-0.1, 0.3)
        bridge = shapely.LineString([door, end]).buffer(0.03 * length, cap_style="flat")
        canvas.cast(rings_of(bridge), 0.06 * length)
        canvas.settle()
        canvas.paint(rings_of(bridge), (0.68, 0.68, 0.68) if rng.random() < 0.7 else (0.35, 0.36, 0.4))
    carts = []
    for _ in range(int(rng.integers(0, 16))):
        spot = centre + ahead * rng.uniform(-0.6, 0.65) * length + side * rng.uniform(-0.5, 0.5) * length
        long = length * rng.uniform(0.03, 0.12)
        ring = structures.footprint(
            (float(spot[0]), float(spot[1])), long, long * rng.uniform(0.3, 0.8), rng.uniform(0, 6)
        )
        if scene.free(Polygon(ring).buffer(1.0)):
            carts.append(ring)
    structures.raise_buildings(canvas, rng, carts, [length * 0.03] * len(carts))


def houses(
    scene: Composer, count: int, size_m: tuple[float, float], angle: float, zone: Polygon | None = None
) -> None:
    """Put up buildings of one direction, each where there is room, inside a zone where one is given."""
    rng, rings, heights = scene.rng, [], []
    for _ in range(count):
        length = float(np.exp(rng.uniform(*np.log(size_m)))) / scene.gsd_m
        way = angle + rng.choice([0, np.pi / 2])
        ring = structures.footprint(scene.somewhere(zone), length, length * rng.uniform(0.35, 0.95), way)
        area = Polygon(ring)
        if length > 4 and scene.free(area.buffer(3)) and (zone is None or zone.contains(area)):
            scene.reserve(area)
            rings.append(ring)
            heights.append(min(rng.uniform(3, 14) / scene.gsd_m, length, 60.0))
    structures.raise_buildings(scene.canvas, rng, rings, heights)


def suburb(scene: Composer, angle: float, zone: Polygon) -> None:
    """Lay a quarter of houses in rows, with gardens, drives and trees."""
    rng, canvas = scene.rng, scene.canvas
    pitch, deep = rng.uniform(13, 24) / scene.gsd_m, rng.uniform(18, 32) / scene.gsd_m
    x, y = np.meshgrid(np.arange(-25, 26) * pitch, np.arange(-18, 19) * deep)
    spots = np.stack([x.ravel(), y.ravel()], 1) @ np.stack(axes(angle)) + scene.somewhere()
    inside = shapely.contains_xy(zone, spots[:, 0], spots[:, 1]) & (
        rng.random(len(spots)) < rng.uniform(0.5, 0.95)
    )
    rings, drives = [], []
    for spot in spots[inside]:
        shift = rng.normal(0, 0.08, 2) * (pitch, deep)
        length, width = pitch * rng.uniform(0.5, 0.85), deep * rng.uniform(0.3, 0.55)
        at = float(spot[0] + shift[0]), float(spot[1] + shift[1])
        ring = structures.footprint(at, length, width, angle)
        area = Polygon(ring)
        if scene.free(area.buffer(2)):
            scene.reserve(area)
            rings.append(ring)
            drives.append(structures.footprint((float(spot[0]), float(spot[1])), pitch * 0.2, deep, angle))
    canvas.paint(drives, (0.6, 0.59, 0.56), rng.uniform(0.2, 0.8))
    structures.raise_buildings(canvas, rng, rings, [min(rng.uniform(3, 6) / scene.gsd_m, 30.0)] * len(rings))


def trees(
    scene: Composer, count: int, radius_m: tuple[float, float], keep_off: Polygon | None = None
) -> None:
    """Plant trees where there is room."""
    rng, spots, radii = scene.rng, [], []
    for _ in range(count):
        spot = scene.somewhere()
        radius = float(np.clip(rng.uniform(*radius_m) / scene.gsd_m, 1.5, 45))
        area = shapely.Point(spot).buffer(radius, quad_segs=3)
        if scene.free(area) and (keep_off is None or not keep_off.intersects(area)):
            scene.reserve(area)
            spots.append(spot)
            radii.append(radius)
    structures.plant_trees(scene.canvas, rng, np.asarray(spots).reshape(-1, 2), radii)


def tank_farm(scene: Composer, zone: Polygon | None = None) -> None:
    """Put tanks of one size in rows, each in its bund."""
    rng, canvas = scene.rng, scene.canvas
    size = scene.size(12, 60)
    pitch, angle = size * rng.uniform(1.15, 1.8), rng.uniform(0, np.pi)
    turn, start = np.stack(axes(angle)), scene.somewhere(zone)
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    for row in range(rows):
        for column in range(columns):
            spot = np.array([column * pitch, row * pitch]) @ turn + start
            pose = scene.put(storage_tank, size * rng.uniform(0.9, 1.0), spot, angle, zone=zone, gap_px=1.0)
            if pose and rng.random() < 0.5:
                bund = structures.footprint((pose.x, pose.y), pitch * 0.97, pitch * 0.97, angle)
                canvas.paint(
                    stroke(np.concatenate([bund, bund[:1]]), max(pitch * 0.03, 0.7)), (0.7, 0.68, 0.6), 0.7
                )


def marina(scene: Composer, water: Polygon) -> None:
    """Put a pier in the water with boats close side by side."""
    rng = scene.rng
    length, angle = scene.object_px[1] * rng.uniform(0.5, 1.0), rng.uniform(0, 2 * np.pi)
    pose = scene.put(pier, length, scene.somewhere(water), angle, faint=False)
    if pose is None:
        return
    (ahead, side), centre = axes(angle), np.array([pose.x, pose.y])
    boat = float(np.clip(scene.size(8, 20), scene.object_px[0], max(length / 3, scene.object_px[0])))
    for sign in (-1, 1):
        for at in np.arange(-0.45, 0.45, boat * rng.uniform(0.42, 0.55) / length):
            spot = centre + ahead * at * length + side * sign * (boat * 0.55 + length * 0.06)
            turn = angle + sign * np.pi / 2 + rng.choice([0, np.pi])
            if rng.random() < 0.8:
                scene.put(yacht, boat * rng.uniform(0.8, 1.1), spot, turn, zone=water, gap_px=0.5)


def railway(scene: Composer, width: float) -> None:
    """Lay a track with a train on it."""
    rng, canvas = scene.rng, scene.canvas
    path = curve(scene)
    line = shapely.LineString(path)
    for track in range(int(rng.integers(1, 4))):
        line = shapely.LineString(ground.beside(path, track * width * 1.4))
        bed = line.buffer(width * 0.9, cap_style="flat")
        ground.fill(canvas, rng, "soil", bed)
        scene.reserve(bed)
        for offset in (-0.25, 0.25):
            rail = ground.beside(path, (track * 1.4 + offset) * width)
            canvas.paint(stroke(rail, max(width * 0.06, 0.5)), (0.35, 0.33, 0.32), 0.8)
    scene.clear(line.buffer(width, cap_style="flat"))
    length = min(scene.object_px[1] * rng.uniform(0.5, 1.0), line.length * 0.3)
    start = line.length * 0.5 + rng.uniform(-0.7, 0.2) * length
    piece = np.asarray(shapely.ops.substring(line, start, start + length).coords)
    centre = piece.mean(axis=0)
    sprite = train(rng, piece - centre, width * 0.75)
    scene.put_sprite(sprite, sprite.extent, centre, 0.0)
    scene.reserve(line.buffer(width * 0.9, cap_style="flat"))


def parking(scene: Composer, car_px: float, asphalt: FloatImage, paved: Polygon) -> None:
    """Lay a parking lot with rows of cars side by side."""
    rng, canvas = scene.rng, scene.canvas
    angle, centre = rng.uniform(0, np.pi), np.asarray(scene.somewhere())
    ahead, side = axes(angle)
    bay, deep = car_px * rng.uniform(0.55, 0.68), car_px * 1.15
    columns, rows = int(rng.integers(5, 14)), int(rng.integers(1, 4))
    long, wide = columns * bay + car_px, 2 * (rows * deep * 1.1 + car_px * 0.3)
    area = Polygon(structures.footprint((centre[0], centre[1]), long, wide, angle))
    if paved.intersects(area) or not scene.free(area):
        return
    canvas.paint(rings_of(area), asphalt, holes=True)
    full, lines = rng.uniform(0.3, 0.95), []
    for row in range(2 * rows):
        base = (1.1 * (row // 2 * 2 - rows + 1) + row % 2 - 0.5) * deep
        for column in range(columns + 1):
            foot = centre + ahead * (column - columns / 2) * bay + side * (base - deep * 0.45)
            lines += stroke(np.stack([foot, foot + side * deep * 0.9]), max(car_px * 0.025, 0.3))
            if column < columns and rng.random() < full:
                spot = foot + ahead * bay / 2 + side * (deep * 0.45 + rng.normal(0, 0.04) * car_px)
                facing = angle + np.pi / 2 + rng.choice([0, np.pi]) + rng.normal(0, 0.03)
                scene.put(vehicle, car_px * rng.uniform(0.85, 1.05), spot, facing, gap_px=0.3)
    canvas.paint(lines, (0.85, 0.85, 0.82), rng.uniform(0.2, 0.9))
    scene.reserve(area)


def traffic(scene: Composer, path: Points, lanes: int, lane_px: float, car_px: float) -> None:
    """Put vehicles on the lanes of a road."""
    rng = scene.rng
    line = shapely.LineString(path)
    for _ in range(scene.count(18)):
        at = rng.uniform(0.2, 0.8) * line.length
        a, b = shapely.get_coordinates(shapely.line_interpolate_point(line, [at, at + 1.0]))
        ahead = b - a
        lane = int(rng.integers(lanes))
        offset = (lane + 0.5 - lanes / 2 + rng.normal(0, 0.05)) * lane_px
        spot = a + np.array([-ahead[1], ahead[0]]) * offset
        turn = np.arctan2(ahead[1], ahead[0]) + (np.pi if lane * 2 < lanes else 0.0) + rng.normal(0, 0.03)
        length = car_px * float(rng.choice([0.9, 1.0, 1.1, 1.8]))
        scene.put(vehicle, float(np.clip(length, *scene.object_px)), spot, turn, gap_px=1.0)


def courts(scene: Composer) -> None:
    """Lay one to eight courts in rows on a ground of one colour."""
    rng = scene.rng
    length, angle, centre = scene.size(24, 30), rng.uniform(0, np.pi), scene.somewhere()
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    pitch, deep = length * rng.uniform(0.66, 0.85), length * rng.uniform(1.1, 1.4)
    turn = np.stack(axes(angle))
    half = np.array([rows * deep, columns * pitch]) / 2
    area = Polygon(rectangle(-half[0], -half[1], half[0], half[1]) * 1.05 @ turn + centre)
    if not scene.free(area):
        return
    if rng.random() < 0.8:
        red, green, blue = rng.uniform(0.2, 0.55, 3) * 0.4 + rng.uniform(0.15, 0.4)
        scene.canvas.paint(rings_of(area), (float(red), float(green), float(blue)), holes=True)
    for row in range(rows):
        for column in range(columns):
            spot = (np.array([(row + 0.5) * deep, (column + 0.5) * pitch]) - half) @ turn + centre
            scene.put(court, length, spot, angle, gap_px=0.5, faint=False)
    scene.reserve(area)
