"""Read a run's configuration from TOML, or the JSON beside a checkpoint; all mistakes are told at once."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ros_sam_core.errors import ConfigInvalid
from ros_sam_core.model.config import sam_config, tiny_config
from training.config import TrainConfig

LARGEST = 1e300
"""No number of a configuration is this large; infinity and NaN, which TOML knows too, are no values."""


def load_config(path: Path, changes: Sequence[str] = (), **overrides: Any) -> TrainConfig:
    """Read a configuration.

    Args:
        path: A `.toml`, or a `.json` as a run writes it beside its checkpoints. Its `[model]` table, if any,
            replaces fields of the architecture's own configuration (of the bundled model's, without `arch`).
        changes: Texts "table.field=value" in TOML's notation that replace the file's values.
        overrides: Top-level fields that replace the file's, where they are not None.

    Raises:
        ConfigInvalid: The file cannot be read, or has mistakes; all of them are in the message.
    """
    values = read_table(path)
    problems: list[str] = []
    for text in changes:
        _change(values, text, problems)
    values |= {key: value for key, value in overrides.items() if value is not None}
    return build_config(values, str(path), problems)


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file as a table.

    Raises:
        ConfigInvalid: The file cannot be read.
    """
    try:
        text = path.read_text()
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigInvalid(f"{path} cannot be read as {kind}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigInvalid(f"{path} holds a {type(values).__name__}; a configuration is a table of fields")
    return values


def build_config(values: dict[str, Any], source: str, problems: Sequence[str] = ()) -> TrainConfig:
    """Make a configuration from a table; see `load_config`."""
    found = list(problems)
    if isinstance(values.get("model"), dict):
        values = {**values, "model": _model_defaults(values["model"]) | values["model"]}
    config = build(TrainConfig, values, "", found)
    if config is not None:
        found += config.problems()
    if found:
        raise ConfigInvalid(f"{source} has {len(found)} mistake(s):\n- " + "\n- ".join(found))
    assert isinstance(config, TrainConfig)
    return config


def _model_defaults(table: dict[str, Any]) -> dict[str, Any]:
    arch = table.get("arch", "tiny")
    if arch in ("vit_b", "vit_l", "vit_h"):
        return dataclasses.asdict(sam_config(arch, hq=table.get("hq", True) is True))
    base = dataclasses.asdict(tiny_config())
    for name in ("tiny", "crop"):
        if isinstance(table.get(name), dict):
            table[name] = base[name] | table[name]
    return base


def _change(values: dict[str, Any], text: str, problems: list[str]) -> None:
    key, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError("there is no '='")
        try:
            parsed = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            parsed = value  # a bare text needs no quotes
        *tables, name = key.strip().split(".")
        for table in tables:
            values = values.setdefault(table, {})
        values[name] = parsed
    except (ValueError, AttributeError, TypeError) as error:
        problems.append(f"--set {text}: {error}; write table.field=value")


def build(cls: type, values: dict[str, Any], where: str, problems: list[str]) -> Any:
    """Build a dataclass from a table, naming unknown keys and wrong types instead of raising."""
    hints = typing.get_type_hints(cls)
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            problems.append(f"{where}{key} is no field; known: {', '.join(hints)}")
            continue
        hint = hints[key]
        if isinstance(hint, types.UnionType):
            if value is None:
                continue
            hint = next(h for h in typing.get_args(hint) if h is not type(None))
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, dict):
                problems.append(f"{where}{key} is {value!r}; it must be a table of fields")
                continue
            value = build(hint, value, f"{where}{key}.", problems)
            if value is None:  # its mistakes are told; the default shows the others
                continue
        elif (row := _row_type(hint)) is not None:
            if not isinstance(value, list | tuple) or not all(isinstance(v, dict) for v in value):
                problems.append(f"{where}{key} is {value!r}; it must be tables of fields, [[{where}{key}]]")
                continue
            rows = [build(row, v, f"{where}{key}[{i}].", problems) for i, v in enumerate(value)]
            value = tuple(r for r in rows if r is not None)
        else:
            fits, value = _fit(hint, value)
            if not fits:
                problems.append(f"{where}{key} is {value!r}; it must be {_told(hint)}")
                continue
        kept[key] = value
    try:
        return cls(**kept)
    except TypeError as error:
        missing = [f.name for f in dataclasses.fields(cls) if f.name not in kept and _required(f)]
        problems.append(f"{where or 'the file'}: {', '.join(missing)} is missing" if missing else str(error))
    except ConfigInvalid as error:
        problems.append(f"{where.rstrip('.') or 'the file'}: {error}")
    return None


def _row_type(hint: Any) -> type | None:
    """Return the dataclass of which a field holds any number, if it is such a field."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(arguments[0]):
        return arguments[0]
    return None


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _fit(hint: Any, value: Any) -> tuple[bool, Any]:
    """Say whether a value from a file fits a type, and return it as that type."""
    if hint is Any:
        return True, value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return False, value
        hints = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        parts = [_fit(h, v) for h, v in zip(hints, value, strict=False)]
        good = len(hints) == len(value) and all(fits for fits, _ in parts)
        return good, tuple(v for _, v in parts) if good else value
    if hint is float and type(value) in (int, float):
        fits = abs(value) < LARGEST  # NaN is not
        return fits, float(value) if fits else value
    if isinstance(hint, type):
        return type(value) is hint, value
    return True, value  # a Literal: the class itself says what it takes


def _told(hint: Any) -> str:
    if hint is float:
        return "a finite number"
    if typing.get_origin(hint) is tuple:
        arguments = typing.get_args(hint)
        many = "any number of" if arguments[-1] is ... else str(len(arguments))
        return f"a list of {many} {arguments[0].__name__}"
    return getattr(hint, "__name__", str(hint))
