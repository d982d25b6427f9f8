"""Aircraft: airliners, business jets, propeller planes and delta wings, seen from above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ros_sam_core.synthetic.canvas import Colour, Points
from ros_sam_core.synthetic.coverage import Ring
from ros_sam_core.synthetic.sprites import Layer, Sprite, ellipse, merge, mirrored, mix, rectangle, vary

_WHITE: Colour = (0.93, 0.94, 0.95)
_BODIES: tuple[Colour, ...] = (
    _WHITE,
    _WHITE,
    _WHITE,
    _WHITE,
    _WHITE,
    (0.78, 0.79, 0.81),
    (0.6, 0.62, 0.64),
    (0.42, 0.46, 0.45),
)
_LIVERIES: tuple[Colour, ...] = (
    (0.1, 0.2, 0.55), (0.75, 0.12, 0.12), (0.05, 0.4, 0.35), (0.95, 0.75, 0.1),
    (0.2, 0.55, 0.85), (0.5, 0.1, 0.4), (0.9, 0.45, 0.1), (0.15, 0.15, 0.17),
)  # fmt: skip
_DARK: Colour = (0.12, 0.13, 0.16)


@dataclass(frozen=True)
class _Plan:
    """Proportions of an aircraft whose fuselage has length 1, nose at x = 0.5."""

    body: float  # half width of the fuselage
    nose: float  # length of the rounded nose
    taper: float  # length of the tail cone
    span: float  # half span
    root: float  # chord at the fuselage
    tip: float  # chord at the tip
    lead: float  # x of the leading edge at the root
    sweep: float  # how far the tip's leading edge lies behind the root's
    kink: float  # share of the half span where the trailing edge bends; 0: straight
    tail_span: float
    tail_root: float
    tail_sweep: float
    engines: str  # "wing2", "wing4", "rear", "props2", "nose", "none"


def airplane(rng: np.random.Generator, sun: tuple[float, float]) -> Sprite:
    """Draw an aircraft.

    Args:
        rng: source of randomness.
        sun: unit vector in the aircraft's frame towards which shadows fall.

    Returns:
        A sprite of class "airplane" with a fuselage of length 1.
    """
    plan = _plan(rng)
    fuselage, wings, tail = _fuselage(plan), _wing(plan), _tail(plan)
    engines = _engines(rng, plan)
    outline = merge([fuselage, *mirrored(wings), *mirrored(tail), *engines])
    body = vary(rng, _BODIES[rng.integers(len(_BODIES))], 0.03)
    wing = vary(rng, mix(body, (0.62, 0.64, 0.67), rng.uniform(0, 0.8)), 0.02)
    layers = [Layer((*mirrored(wings), *mirrored(tail)), wing)]
    layers += _wing_details(rng, plan, wing)
    layers.append(_shadow_on_wings(rng, fuselage, sun))
    layers += [Layer(tuple(engines), vary(rng, mix(body, wing, 0.5), 0.05))]
    layers += _body_details(rng, plan, fuselage, body, sun)
    height = rng.uniform(0.06, 0.32)
    return Sprite(
        "airplane", outline, wing, tuple(layers), height, lifted=True, mottle=rng.uniform(0.005, 0.03)
    )


def _plan(rng: np.random.Generator) -> _Plan:
    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    kind = rng.choice(["airliner", "business", "propeller", "delta"], p=[0.62, 0.16, 0.14, 0.08])
    if kind == "airliner":
        engines = str(rng.choice(["wing2", "wing4", "rear"], p=[0.7, 0.18, 0.12]))
        return _Plan(
            between(0.042, 0.066), between(0.07, 0.11), between(0.2, 0.32), between(0.4, 0.56),
            between(0.17, 0.25), between(0.035, 0.07), between(0.1, 0.2), between(0.17, 0.33),
            between(0.28, 0.4), between(0.14, 0.21), between(0.1, 0.15), between(0.08, 0.13), engines,
        )  # fmt: skip
    if kind == "business":
        return _Plan(
            between(0.045, 0.065), between(0.12, 0.18), between(0.25, 0.35), between(0.38, 0.55),
            between(0.14, 0.22), between(0.05, 0.09), between(0.0, 0.1), between(0.06, 0.22),
            0.0, between(0.15, 0.22), between(0.09, 0.13), between(0.05, 0.1), "rear",
        )  # fmt: skip
    if kind == "propeller":
        return _Plan(
            between(0.05, 0.08), between(0.08, 0.15), between(0.45, 0.6), between(0.5, 0.75),
            between(0.13, 0.2), between(0.08, 0.15), between(0.12, 0.24), between(0.0, 0.05),
            0.0, between(0.16, 0.25), between(0.09, 0.14), between(0.0, 0.04),
            str(rng.choice(["nose", "props2"])),
        )  # fmt: skip
    return _Plan(
        between(0.04, 0.07), between(0.2, 0.35), between(0.1, 0.2), between(0.26, 0.36),
        between(0.38, 0.55), between(0.05, 0.12), between(0.02, 0.14), between(0.26, 0.4),
        0.0, between(0.12, 0.2), between(0.1, 0.16), between(0.08, 0.12), "none",
    )  # fmt: skip


def _fuselage(plan: _Plan) -> Ring:
    turn = np.linspace(0, np.pi / 2, 7)
    nose_x, nose_y = 0.5 - plan.nose * (1 - np.sin(turn[::-1])), plan.body * np.cos(turn[::-1])
    back = np.linspace(0, 1, 6)
    tail_x = -0.5 + plan.taper * (1 - back)
    tail_y = plan.body * (1 - 0.85 * back**1.6)
    x, y = np.concatenate([nose_x, tail_x]), np.concatenate([nose_y, tail_y])
    return np.concatenate([np.stack([x, y], 1), np.stack([x[::-1], -y[::-1]], 1)])


def _wing(plan: _Plan) -> Ring:
    """Return the right wing (y > 0), from the fuselage's axis on."""
    tip_lead = plan.lead - plan.sweep
    corners = [(plan.lead + 0.02, 0.0), (plan.lead, plan.body), (tip_lead, plan.span)]
    corners += [(tip_lead - plan.tip, plan.span * 0.995)]
    if plan.kink:
        at = plan.kink * plan.span
        straight = plan.lead - plan.root + (tip_lead - plan.tip - plan.lead + plan.root) * plan.kink
        corners += [(max(straight, plan.lead - plan.root - 0.02), at)]
    corners += [(plan.lead - plan.root, plan.body), (plan.lead - plan.root, 0.0)]
    return np.array(corners)


def _tail(plan: _Plan) -> Ring:
    lead = -0.5 + plan.tail_root + 0.03
    tip = lead - plan.tail_sweep
    chord = plan.tail_root * 0.45
    return np.array(
        [(lead, 0.0), (tip, plan.tail_span), (tip - chord, plan.tail_span), (lead - plan.tail_root, 0.0)]
    )


def _engines(rng: np.random.Generator, plan: _Plan) -> list[Ring]:
    if plan.engines == "none" or plan.engines == "nose":
        return []
    length, width = rng.uniform(0.07, 0.12), rng.uniform(0.018, 0.032)
    rings: list[Ring] = []
    if plan.engines == "rear":
        x, y = rng.uniform(-0.3, -0.18), plan.body + width * 0.9
        return list(mirrored(_nacelle(x, y, length * 1.2, width)))
    places = {"wing2": (0.34,), "wing4": (0.32, 0.62), "props2": (0.3,)}[plan.engines]
    for share in places:
        y = plan.span * (share + rng.uniform(-0.03, 0.03))
        lead = plan.lead - plan.sweep * (y - plan.body) / (plan.span - plan.body)
        rings += mirrored(_nacelle(lead - length * 0.1, y, length, width))
    return rings


def _nacelle(x: float, y: float, length: float, width: float) -> Ring:
    shape: Points = np.array([(0.6, -0.6), (0.6, 0.6), (0.3, 1), (-0.4, 0.9), (-0.6, 0.5), (-0.6, -0.5),
                              (-0.4, -0.9), (0.3, -1)])  # fmt: skip
    return shape * (length, width) + (x, y)


def _wing_details(rng: np.random.Generator, plan: _Plan, wing: Colour) -> list[Layer]:
    """Paint flaps along the trailing edge, a bright leading edge, tips."""
    tip_lead = plan.lead - plan.sweep
    layers = []
    trail = np.array([(plan.lead - plan.root, plan.body), (tip_lead - plan.tip, plan.span)])
    lead = np.array([(plan.lead, plan.body), (tip_lead, plan.span)])
    depth = rng.uniform(0.15, 0.35)
    flap = np.concatenate([trail, (trail + depth * (lead - trail))[::-1]])
    layers.append(Layer(mirrored(flap), vary(rng, mix(wing, (0.5, 0.52, 0.55), 0.5), 0.04), 0.7))
    if rng.random() < 0.6:
        slat = np.concatenate([lead, (lead + 0.12 * (trail - lead))[::-1]])
        layers.append(Layer(mirrored(slat), (0.97, 0.97, 0.97), rng.uniform(0.3, 0.8)))
    if rng.random() < 0.3:
        tips = rectangle(tip_lead - plan.tip, plan.span * 0.93, tip_lead + 0.1, plan.span * 1.1)
        layers.append(Layer(mirrored(tips), _LIVERIES[rng.integers(len(_LIVERIES))]))
    return layers


def _shadow_on_wings(rng: np.random.Generator, fuselage: Ring, sun: tuple[float, float]) -> Layer:
    """Darken the wing beside the fuselage on the far side from the sun."""
    reach = np.asarray(sun) * rng.uniform(0.02, 0.13)
    steps = tuple(fuselage + reach * share for share in (0.35, 0.7, 1.0))
    shadow = np.asarray(merge(steps).exterior.coords)
    return Layer((shadow,), (0.14, 0.16, 0.22), rng.uniform(0.3, 0.85))


def _body_details(
    rng: np.random.Generator, plan: _Plan, fuselage: Ring, body: Colour, sun: tuple[float, float]
) -> list[Layer]:
    """Paint the round fuselage, its livery, the fin and the cockpit."""
    layers = [Layer((fuselage,), body)]
    dim = mix(body, (0.16, 0.19, 0.26), rng.uniform(0.2, 0.85))
    away = float(np.sign(sun[1]) or 1.0) * plan.body
    for start in (rng.uniform(-0.1, 0.3), 0.5):
        low, high = sorted((start * away, 1.1 * away))
        layers.append(
            Layer((rectangle(-0.5 + plan.taper * 0.5, low, 0.5 - plan.nose * 0.6, high),), dim, 0.6)
        )
    livery = _LIVERIES[rng.integers(len(_LIVERIES))]
    if rng.random() < 0.35:
        band = rng.uniform(0.2, 0.45)
        layers.append(
            Layer((rectangle(-0.6, -plan.body, -0.5 + band, plan.body),), livery, rng.uniform(0.5, 1))
        )
    if rng.random() < 0.2:
        stripe = plan.body * 0.3
        layers.append(Layer((rectangle(-0.4, -stripe, 0.4, stripe),), livery, 0.8))
    lean, high = rng.normal(0, 0.5) * plan.body, 0.012
    root = -0.5 + plan.taper * rng.uniform(0.5, 0.9)
    fin = np.array(
        [(root, 0.0), (-0.47, lean - high), (-0.52, lean - high), (-0.52, lean + high), (-0.47, lean + high)]
    )
    fall = np.concatenate(
        [[(root, 0.0), (-0.49, 0.0)], np.array([(-0.5, 0.0), (-0.46, 0.0)]) + np.asarray(sun) * 0.1]
    )
    layers.append(Layer((fall,), (0.14, 0.16, 0.22), rng.uniform(0.2, 0.7)))
    layers.append(Layer((fin,), livery if rng.random() < 0.6 else vary(rng, body)))
    pane = 0.5 - plan.nose * rng.uniform(0.45, 0.7)
    layers.append(Layer((rectangle(pane - 0.02, -plan.body * 0.6, pane, plan.body * 0.6),), _DARK, 0.8))
    if plan.engines == "nose":
        layers.append(Layer((ellipse(0.05, 0, 0.09, plan.body * 0.7, 12),), _DARK, 0.7))
    return layers
