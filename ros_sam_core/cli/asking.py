"""Commands whose options are the fields of a dataclass, so that what commands share is named once."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from ros_sam_core.cli import options as opt
from ros_sam_core.cli.report import Report, reporting

Request = TypeVar("Request")


def asking(request: type[Request]) -> Callable[[Callable[[Request, Report], None]], Callable[..., None]]:
    """Make a command of a function that takes a request and a report.

    Args:
        request: A dataclass; the type of each field is that of a parameter in typer's sense. Its own fields
            come before inherited ones in the command's help.
    """

    def decorate(work: Callable[[Request, Report], None]) -> Callable[..., None]:
        def command(*, as_json: bool, verbose: bool, **given: Any) -> None:
            with reporting(as_json=as_json, verbose=verbose) as report:
                work(request(**given), report)

        parameters = _parameters(request)
        command.__name__, command.__doc__ = work.__name__, work.__doc__
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(request: type) -> list[inspect.Parameter]:
    own, types = set(request.__annotations__), get_type_hints(request, include_extras=True)
    fields = sorted(
        dataclasses.fields(request),
        key=lambda one: (one.default is not dataclasses.MISSING, one.name not in own),
    )
    found = [
        _parameter(
            one.name,
            types[one.name],
            inspect.Parameter.empty if one.default is dataclasses.MISSING else one.default,
        )
        for one in fields
    ]
    return [*found, _parameter("as_json", opt.Json, False), _parameter("verbose", opt.Verbose, False)]


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
