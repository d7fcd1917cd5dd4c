"""A side in a process of its own: its turns, its memory, its failures."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks.cases import Setting
from benchmarks.sides import Spec
from benchmarks.worker import SHORTEST_TURN_SECONDS, Worker, WorkerError, peak_memory, take_turn

SETTING = Setting("dpo", "float32", 2000)


class Sleeper:
    """A side whose work takes a given time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.runs = 0

    def run(self) -> int:
        self.runs += 1
        time.sleep(self.seconds)
        return 3

    def check(self, gradient: Path | None) -> list[float]:
        return [float(self.runs)]


def test_short_work_is_repeated_until_the_clock_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.worker.SHORTEST_TURN_SECONDS", 0.1)
    side = Sleeper(0.03)
    turn = take_turn(side)
    assert turn.times == side.runs >= 2
    assert turn.units == 3 * turn.times
    assert turn.seconds >= 0.1
    assert SHORTEST_TURN_SECONDS == 1.0
    assert take_turn(Sleeper(0.15)).times == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's account")
def test_peak_memory_grows_with_what_was_held_and_stays() -> None:
    before = peak_memory()
    held = bytearray(int((before + 50) * 2**20))
    peak = peak_memory()
    assert peak >= before + 49
    del held
    assert peak_memory() == pytest.approx(peak, abs=1)


def test_a_side_that_fails_says_why() -> None:
    worker = Worker(Spec("nowhere", allocator=False), SETTING)
    try:
        with pytest.raises(WorkerError, match=r"No module named 'benchmarks\.nowhere'"):
            worker.ask("turn")
    finally:
        worker.stop()
    assert not worker.process.is_alive()
