"""A whole run under torchrun: the stages are those of one process, and a policy learns from a stage before it."""

import json
import os
import subprocess
import sys

import pytest

from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

RUN = """
base = "{base}"
[data.voices]
rows = "voices.jsonl"
held_out = 0.3
[[stage]]
name = "judge"
method = "reward"
data = "voices"
max_steps = 1
[[stage]]
name = "policy"
method = "rloo"
data = "voices"
reward = "{reward}"
batch_size = 4
max_steps = 2
num_generations = 3
max_completion_length = 6
"""
BROKEN = "def broken(prompts, completions, **columns):\n    return [None] * len(prompts)\n"


@pytest.fixture(scope="module")
def write_run(tiny, tmp_path_factory):
    """A folder with a run file whose policy learns from a reward."""

    def write(reward: str):
        folder = tmp_path_factory.mktemp("run")
        rows = [
            {"prompt": f"tell {n} ", "chosen": "the", "rejected": "in", "group": "ab"[n % 2], "prompt_id": str(n)}
            for n in range(16)
        ]
        (folder / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "rewards.py").write_text(BROKEN)
        base = tiny.save_model(folder / "base", "llama", bos=True)
        (folder / "run.toml").write_text(RUN.format(base=base, reward=reward))
        return folder

    return write


def torchrun(folder) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "pluralign",
    ]
    return subprocess.run(
        [*command, "run", str(folder / "run.toml"), "--runs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        timeout=240,
    )


def test_two_processes_make_the_stages_of_a_run(write_run):
    folder = write_run("judge")
    done = torchrun(folder)
    assert done.returncode == 0, done.stderr
    assert "report/index.html" in done.stdout
    prepared = prepare(read(folder / "run.toml"), folder)
    judge, policy = (rung.entry for rung in prepared.rungs if rung.entry is not None)
    for entry in (judge, policy):
        assert entry.state(prepared.folder) == "done"
        start, step, *_ = map(json.loads, (entry.folder(prepared.folder) / "log.jsonl").read_text().splitlines())
        assert start["ranks"] == 2
        assert step["event"] == "step"
    assert "rewards/judge/mean" in step


def test_what_fails_is_told_once_and_by_the_first_process(write_run):
    done = torchrun(write_run("rewards.py:broken"))
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if line.startswith("pluralign: ")]
    assert len(told) == 1
    assert 'reward "rewards.py:broken": nan for completion 0 of prompt' in told[0]
