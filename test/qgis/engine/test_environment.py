"""The engine's environment is the user's, without what QGIS put into it."""

from __future__ import annotations

import os

import pytest

from ros_sam_qgis.engine import environment
from ros_sam_qgis.engine.environment import LEAKING, sanitised


def test_what_leads_into_qgis_is_gone_and_the_rest_is_not() -> None:
    user = {"HOME": "/home/u", "PATH": "/usr/bin", "HTTPS_PROXY": "http://p:3", "AWS_REGION": "eu"}
    leaks = dict.fromkeys(LEAKING, "/opt/qgis")
    clean = sanitised({**user, **leaks})
    assert user.items() <= clean.items()
    assert not set(clean) & LEAKING
    assert clean["PYTHONNOUSERSITE"] == "1"


def test_the_given_environment_stays_as_it_was() -> None:
    given = {"PYTHONHOME": "/opt/qgis"}
    sanitised(given)
    assert given == {"PYTHONHOME": "/opt/qgis"}


@pytest.mark.parametrize(
    ("path", "prefix", "kept"),
    [
        ("/opt/qgis/lib:/usr/local/cuda/lib64", "/opt/qgis", "/usr/local/cuda/lib64"),
        ("/opt/qgis/lib", "/opt/qgis", None),
        ("/opt/qgis-data/lib", "/opt/qgis", "/opt/qgis-data/lib"),
        ("/usr/local/cuda/lib64", "/usr", "/usr/local/cuda/lib64"),
        ("/opt/rocm/lib", "", "/opt/rocm/lib"),
    ],
)
def test_libraries_of_qgis_are_not_searched(path: str, prefix: str, kept: str | None) -> None:
    assert sanitised({"LD_LIBRARY_PATH": path}, prefix).get("LD_LIBRARY_PATH") == kept


def test_programs_are_dropped_from_path_on_windows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    search = os.pathsep.join(["/opt/qgis/bin", "/usr/bin"])
    assert sanitised({"PATH": search}, "/opt/qgis")["PATH"] == search
    monkeypatch.setattr(environment.sys, "platform", "win32")
    assert sanitised({"PATH": search}, "/opt/qgis")["PATH"] == "/usr/bin"
