"""The kinds of scene: airport, harbour, road, field, and a mixture of anything."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Polygon

from ros_sam_core.synthetic import ground, groups, structures
from ros_sam_core.synthetic.aircraft import airplane
from ros_sam_core.synthetic.composer import Builder, Composer
from ros_sam_core.synthetic.sites import blob, bridge, court, diamond, pier, running_track, storage_tank
from ros_sam_core.synthetic.vehicles import vehicle
from ros_sam_core.synthetic.vessels import ship, wake, yacht

_OPEN = ("grass", "dry", "soil", "concrete", "asphalt", "sand")
_ANYTHING: tuple[tuple[Builder, float], ...] = (
    (airplane, 5), (ship, 4), (yacht, 1.5), (vehicle, 5), (storage_tank, 2), (court, 2),
    (diamond, 1.5), (running_track, 1), (pier, 0.7), (bridge, 0.7), (blob, 5),
)  # fmt: skip


def airport(scene: Composer) -> None:
    """Compose an apron with parked aircraft, taxiways, terminal buildings, service vehicles."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, _one(rng, "grass", "dry", "soil", "concrete"))
    apron = ground.region(rng, canvas.shape, rng.uniform(0.5, 1.1))
    ground.fill(canvas, rng, _one(rng, "concrete", "concrete", "asphalt"), apron)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.8:
        ground.slabs(canvas, rng, apron, angle, rng.uniform(5, 15) / scene.gsd_m)
    asphalt = ground.texture(canvas, rng, "asphalt")
    for _ in range(int(rng.integers(0, 3))):
        groups.strip(scene, angle + rng.choice([0.0, np.pi / 2]), asphalt)
    _litter(scene, angle, 1.0)
    groups.houses(scene, int(rng.integers(0, 6)), (15, 90), angle)
    facing = angle + rng.choice(4) * np.pi / 2
    for _ in range(scene.count(24)):
        turn = facing + rng.normal(0, 0.1) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi)
        scene.put(airplane, scene.size(14, 65), scene.somewhere(), turn, gap_px=rng.uniform(1, 6))
    for sprite, pose, _ in list(scene.placed):
        groups.gate(scene, pose, sprite.extent * pose.scale)
    for _ in range(scene.count(14)):
        turn = facing + rng.integers(4) * np.pi / 2 + rng.normal(0, 0.2)
        scene.put(vehicle, scene.size(4.5, 12), scene.somewhere(apron), turn)


def harbour(scene: Composer) -> None:
    """Compose water with ships under way, a quay, piers with rows of boats, bridges, tanks."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, "water")
    land = ground.region(rng, canvas.shape, rng.uniform(-0.1, 0.45))
    shore = land.buffer(rng.uniform(1, 6))
    ground.fill(canvas, rng, _one(rng, "sand", "concrete", "soil"), shore)
    ground.fill(canvas, rng, _one(rng, "concrete", "asphalt", "grass", "soil"), land)
    water = scene.frame.buffer(80, join_style="mitre").difference(shore)
    angle = rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(0, 2))):
        groups.tank_farm(scene, land)
    groups.houses(scene, int(rng.integers(0, 25)), (6, 60), angle, land)
    if rng.random() < 0.3:
        scene.put(bridge, scene.object_px[1], scene.somewhere(water), rng.uniform(0, np.pi))
    for _ in range(int(rng.integers(0, 3))):
        groups.marina(scene, water)
    for _ in range(scene.count(20)):
        turn = rng.uniform(0, 2 * np.pi)
        pose = scene.put(ship, scene.size(12, 220), scene.somewhere(water), turn, zone=water, gap_px=4)
        if pose and rng.random() < 0.4 and scene.still:
            wake(canvas, pose, rng, 0.08)
    for _ in range(scene.count(8)):
        scene.put(
            vehicle,
            scene.size(4.5, 12),
            scene.somewhere(land),
            angle + rng.integers(4) * np.pi / 2,
            zone=land,
        )


def street(scene: Composer) -> None:
    """Compose roads with traffic, parking lots with dense rows, houses, trees, a railway."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, _one(rng, "grass", "dry", "soil", "concrete", "asphalt"))
    angle = rng.uniform(0, np.pi)
    _litter(scene, angle, 0.7)
    if rng.random() < 0.3:
        wood = ground.region(rng, canvas.shape, rng.uniform(0.1, 0.4))
        structures.grow_forest(canvas, rng, wood, max(rng.uniform(4, 9) / scene.gsd_m, 3))
    car_px = scene.size(4.2, 5.2)
    lane = car_px * rng.uniform(0.66, 0.8)
    asphalt = ground.texture(canvas, rng, "asphalt")
    roads = [(groups.curve(scene), int(rng.integers(1, 4)) * 2) for _ in range(int(rng.integers(1, 4)))]
    surfaces = [ground.road(canvas, rng, path, lane, lanes, asphalt) for path, lanes in roads]
    paved = shapely.union_all(surfaces)
    if rng.random() < 0.4:
        groups.railway(scene, lane)
    for _ in range(int(rng.integers(0, 3))):
        groups.parking(scene, car_px, asphalt, paved)
    scene.reserve(paved)
    if rng.random() < 0.5:
        groups.suburb(scene, angle, scene.frame)
    else:
        groups.houses(scene, int(rng.integers(0, 20)), (8, 45), angle)
    groups.trees(scene, int(rng.integers(0, 50)), (1.5, 6), paved)
    scene.clear(paved)
    for path, lanes in roads:
        groups.traffic(scene, path, lanes, lane, car_px)
    if rng.random() < 0.4:
        _overcast(scene)


def field(scene: Composer) -> None:
    """Compose sports grounds among grass and trees: courts, diamonds, running tracks; sometimes tanks."""
    canvas, rng = scene.canvas, scene.rng
    ground.fill(canvas, rng, _one(rng, "grass", "grass", "dry", "soil"))
    angle = rng.uniform(0, np.pi)
    structures.patch(canvas, rng, int(rng.integers(0, 8)), angle)
    if rng.random() < 0.6:
        wood = ground.region(rng, canvas.shape, rng.uniform(0.05, 0.35))
        structures.grow_forest(canvas, rng, wood, max(rng.uniform(4, 9) / scene.gsd_m, 3))
    asphalt = ground.texture(canvas, rng, "asphalt")
    for _ in range(int(rng.integers(0, 3))):
        scene.reserve(ground.road(canvas, rng, groups.curve(scene), max(3.5 / scene.gsd_m, 3), 2, asphalt))
    _litter(scene, angle, 0.3)
    for _ in range(int(rng.integers(0, 8))):
        size = scene.object_px[1] * rng.uniform(0.5, 1)
        if scene.put(running_track, size, scene.somewhere(), rng.uniform(0, np.pi)):
            break
    for _ in range(scene.count(4)):
        scene.put(diamond, scene.size(28, 70), scene.somewhere(), rng.uniform(0, 2 * np.pi), gap_px=6)
    for _ in range(int(rng.integers(1, 4))):
        groups.courts(scene)
    if rng.random() < 0.4:
        groups.tank_farm(scene)
    if rng.random() < 0.5:
        groups.suburb(scene, angle, ground.region(rng, canvas.shape, rng.uniform(0.0, 0.4)))
    else:
        groups.houses(scene, int(rng.integers(0, 12)), (10, 50), angle)
    groups.trees(scene, int(rng.integers(0, 70)), (2, 7))
    for _ in range(scene.count(10)):
        scene.put(vehicle, scene.size(4.5, 10), scene.somewhere(), rng.uniform(0, 2 * np.pi))


def mixed(scene: Composer) -> None:
    """Compose patches of anything with objects of every class and size on them, and shapes of no class."""
    canvas, rng = scene.canvas, scene.rng
    names = (*_OPEN, "water")
    angle = rng.uniform(0, np.pi)
    ground.fill(canvas, rng, _one(rng, *names))
    for _ in range(int(rng.integers(1, 5))):
        area = ground.region(rng, canvas.shape, rng.uniform(0.0, 0.5))
        if rng.random() < 0.15:
            structures.grow_forest(canvas, rng, area, rng.uniform(4, 16))
            continue
        ground.fill(canvas, rng, _one(rng, *names), area)
        if rng.random() < 0.4:
            ground.slabs(canvas, rng, area, angle, rng.uniform(6, 50))
    asphalt = ground.texture(canvas, rng, "asphalt")
    for _ in range(int(rng.integers(0, 3))):
        ground.road(canvas, rng, groups.curve(scene), rng.uniform(4, 25), int(rng.integers(1, 5)), asphalt)
    _litter(scene, angle, rng.uniform(0, 1))
    if rng.random() < 0.2:
        groups.suburb(scene, angle, ground.region(rng, canvas.shape, rng.uniform(0.1, 0.4)))
    groups.houses(scene, int(rng.integers(0, 8)), (8, 60), angle)
    groups.trees(scene, int(rng.integers(0, 25)), (1, 8))
    builders = [builder for builder, _ in _ANYTHING]
    odds = np.array([weight for _, weight in _ANYTHING])
    for _ in range(scene.count(36)):
        builder = builders[int(rng.choice(len(builders), p=odds / odds.sum()))]
        gap_px = rng.uniform(0.5, 6)
        scene.put(builder, scene.any_size(), scene.somewhere(), rng.uniform(0, 2 * np.pi), gap_px=gap_px)
    if rng.random() < 0.2:
        _overcast(scene)


def _one(rng: np.random.Generator, *names: str) -> str:
    return names[int(rng.integers(len(names)))]


def _litter(scene: Composer, angle: float, amount: float) -> None:
    """Strew what makes real ground busy: stains, repairs, specks, lines."""
    canvas, rng = scene.canvas, scene.rng
    area = canvas.shape[0] * canvas.shape[1] / 512**2

    def draw(most: float) -> int:
        return int(rng.uniform(0, most) * amount * area)

    structures.patch(canvas, rng, draw(16), angle)
    structures.stain(canvas, rng, draw(30), angle)
    structures.mark(canvas, rng, draw(24), angle, 0.3 / scene.gsd_m)
    structures.scatter(canvas, rng, draw(240))


def _overcast(scene: Composer) -> None:
    """Let something tall beyond the picture, or a bridge or a tower in it, shade ground and objects."""
    rng = scene.rng
    spot, sun = scene.somewhere(), scene.canvas.sun
    length, width = rng.uniform(80, 500), rng.uniform(60, 300)
    ring = structures.footprint(spot, length, width, float(np.arctan2(sun[1], sun[0])))
    scene.veil(Polygon(ring), float(rng.uniform(0.3, 0.7)))
