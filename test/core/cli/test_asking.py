"""Commands made of dataclasses: every field is an option, told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from ros_sam_core.cli.app import app
from ros_sam_core.cli.asking import asking
from ros_sam_core.cli.report import Report

Name = Annotated[str, typer.Argument(metavar="NAME")]
Count = Annotated[int, typer.Option(min=1, help="How many.")]
Words = Annotated[list[str] | None, typer.Option("--word")]


@dataclass(frozen=True, kw_only=True)
class Base:
    """What commands share."""

    name: Name
    count: Count = 2


@dataclass(frozen=True, kw_only=True)
class Own(Base):
    """What one takes besides."""

    word: Words = None


def test_fields_are_options_and_own_ones_come_first() -> None:
    told: list[Own] = []
    small = typer.Typer()

    @small.command()
    @asking(Own)
    def say(request: Own, report: Report) -> None:
        """Say something."""
        told.append(request)

    run = CliRunner()
    assert run.invoke(small, ["x", "--word", "a", "--word", "b"]).exit_code == 0
    assert told == [Own(name="x", word=["a", "b"])]
    assert run.invoke(small, ["x", "--count", "0"]).exit_code == 2
    assert run.invoke(small, []).exit_code == 2
    page = run.invoke(small, ["--help"], env={"COLUMNS": "200"}).output
    assert "Say something." in page and 0 < page.index("--word") < page.index("--count") < page.index(
        "--json"
    )


@pytest.mark.parametrize("command", ["segment", "everything"])
def test_commands_on_scenes_share_their_options(command: str) -> None:
    page = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for option in ("--model", "--bands", "--out-crs", "--workers", "--cluster", "--threads", "--overwrite"):
        assert page.count(f"{option} ") == 1
