"""Ctrl-C waits for what must not be cut in two, and for nothing else."""

from __future__ import annotations

import os
import signal

import pytest

from ros_sam_core.cli.interrupts import Interrupts

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_an_allowed_block_at_once(number: int) -> None:
    seen = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.allowed():
        os.kill(os.getpid(), number)
        seen.append("went on")
    assert seen == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_elsewhere_waits_for_the_next_allowed_block(number: int) -> None:
    seen = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
        seen.append("write finished")
        with interrupts.allowed():
            seen.append("went on")
    assert seen == ["write finished"]


def test_a_signal_after_the_last_allowed_block_changes_nothing() -> None:
    with Interrupts() as interrupts:
        with interrupts.allowed():
            pass
        os.kill(os.getpid(), signal.SIGINT)


def test_former_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
