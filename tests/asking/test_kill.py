"""An audit that is killed at any moment ends, when it is asked again, with the same replies as one that was not."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pluralign.asking import ask

PROGRAM = """
import sys, time
from pathlib import Path
from pluralign.asking import ask
from pluralign.records.item import Item, Write
from pluralign.records.reply import Reply

ITEMS = [
    Item(id=str(n), asks=(Write(prompt="?", max_tokens=1),), slices={"all people": "x"}, cluster=str(n))
    for n in range(3000)
]

class Slow:
    name = "slow"
    answers = frozenset({Write})

    def answer(self, items):
        for item in items:
            yield Reply(item=item.id, ask=0, text="word " * (1 + int(item.id) % 90))

print("ready", flush=True)
ask.ask(Slow(), ITEMS, Path(sys.argv[1]), tick=lambda done: time.sleep(1e-4))
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_and_asked_again(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    subprocess.run([sys.executable, "-c", PROGRAM, str(whole)], check=True, capture_output=True)
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(killed)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
    held = killed.read_bytes() if killed.exists() else b""
    seen = ask.read_replies(killed)
    assert (killed.read_bytes() if killed.exists() else b"") == held, "reading changes nothing"
    assert len(seen) <= 3000
    subprocess.run([sys.executable, "-c", PROGRAM, str(killed)], check=True, capture_output=True)
    assert killed.read_bytes() == whole.read_bytes()


def test_a_torn_line_is_skipped_and_left_to_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_bytes(b'{"item": "a", "ask": 0, "text": "x"}\n{"item": "b", "ask"')
    before = path.read_bytes()
    assert set(ask.read_replies(path)) == {"a"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["[1]", "null", '{"item": "a", "ask": 0, "logprobs": 3}', '{"ask": 0}'])
def test_a_line_that_is_no_reply_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ask.RunError, match=r"odd\.jsonl, line 1: damaged"):
        ask.read_replies(path)
