"""The edge of every command: each ending has its exit code, and a machine gets one JSON object."""

from __future__ import annotations

import json
import warnings

import pytest
import typer

from ros_sam_core.cli.report import ExitCode, reporting
from ros_sam_core.errors import GeoreferenceIgnored, InvalidParameter


def ending(error: BaseException | None, exit_code: ExitCode = ExitCode.DONE, as_json: bool = True) -> int:
    """Run a command that ends with `error`; return its exit code."""
    try:
        with reporting(as_json=as_json) as report:
            report.exit_code = exit_code
            report.put(segments=2)
            if error is not None:
                raise error
    except typer.Exit as leaving:
        return leaving.exit_code
    return 0


@pytest.mark.parametrize(
    ("error", "before", "code"),
    [
        (None, ExitCode.DONE, 0),
        (None, ExitCode.SOME_FAILED, 3),
        (InvalidParameter("wrong"), ExitCode.DONE, 2),
        (InvalidParameter("wrong"), ExitCode.SOME_FAILED, 3),
        (KeyboardInterrupt(), ExitCode.SOME_FAILED, 130),
        (ZeroDivisionError("oops"), ExitCode.DONE, 1),
    ],
)
def test_exit_codes(
    error: BaseException | None, before: ExitCode, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error, before) == code
    said = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == code
    assert said["segments"] == 2
    if isinstance(error, Exception):
        assert said["error"] == {"type": type(error).__name__, "message": str(error)}


def test_an_error_of_the_user_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ending(InvalidParameter("edge_px = -1: give 0 or more"), as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: edge_px = -1: give 0 or more\n"


def test_an_error_of_ours_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    ending(ZeroDivisionError("oops"), as_json=False)
    err = capsys.readouterr().err
    assert "fault of ros-sam" in err
    assert "Traceback" in err and "ZeroDivisionError: oops" in err


def test_our_warnings_are_shown_and_others_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting():
        warnings.warn("the raster has RPCs only", GeoreferenceIgnored, stacklevel=1)
        warnings.warn("deprecated elsewhere", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: the raster has RPCs only\n"
