"""For every test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_stays_as_it_was() -> Iterator[None]:
    """Take back the levels and handlers of logging that a command, called in this process, has set."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    loggers = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    levels = [(one, one.level) for one in loggers]
    yield
    root.setLevel(level)
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
    for one, before in levels:
        one.setLevel(before)
