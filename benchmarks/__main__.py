"""`python -m benchmarks`: measure, print the table, leave the results in benchmarks/results/<name>.json."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from benchmarks.cases import DTYPES, NAMES, VOCABULARIES, Setting, settings
from benchmarks.equality import UnequalError
from benchmarks.machine import commit, describe, versions
from benchmarks.rows import Row, rows
from benchmarks.sides import Spec
from benchmarks.table import table
from benchmarks.turns import measure
from benchmarks.worker import Worker, WorkerError
from pluralign.errors import InputError

RESULTS = Path(__file__).resolve().parent / "results"
QUICK_VOCABULARY = 32_000

app = App(name="benchmarks", help="Measure pluralign beside its peers, both sides in one run, turn by turn.")


@app.default
def bench(
    *,
    only: Annotated[str, Parameter(help="Cases, separated by commas.")] = ",".join(NAMES),
    dtype: Annotated[str, Parameter(help="Dtypes, separated by commas; bfloat16 where the hardware has it.")] = "",
    vocabulary: Annotated[str, Parameter(help="Vocabulary sizes, separated by commas.")] = "",
    turns: Annotated[int, Parameter(help="Turns of each side.")] = 0,
    quick: Annotated[bool, Parameter(negative=(), help="Small work, two turns, one vocabulary.")] = False,
    name: Annotated[str, Parameter(help="Name of the results' file.")] = "",
) -> None:
    """Compare pluralign with lm-evaluation-harness, TRL and transformers' generate."""
    names = [case.strip() for case in only.split(",")]
    words = vocabulary.split(",") if vocabulary else [QUICK_VOCABULARY] if quick else VOCABULARIES
    dtypes = [given.strip() for given in dtype.split(",")] if dtype else list(DTYPES)
    settings(names, dtypes, [_whole(word) for word in words])
    say("measuring how fast this machine multiplies")
    machine = probe()
    peaks = {given: rate * 1e9 for given, rate in machine["peak_gemm_gflops"].items()}
    able = [given for given in dtypes if dtype or peaks[given]]
    planned = settings(names, able, [_whole(word) for word in words], quick=quick)
    result = {
        "command": " ".join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "commit": commit(),
        "versions": versions(),
        "hardware": machine,
    }
    file = RESULTS / f"{name or ('quick' if quick else 'gpu' if machine['gpu'] else 'cpu')}.json"
    found, failed = compare_all(planned, turns or (2 if quick else 5), peaks, bool(machine["gpu"]), file, result)
    print(table(found))
    print(f"\nresults: {file}")
    sys.exit(1 if failed else 0)


def compare_all(
    planned: list[Setting], turns: int, peaks: dict[str, float], gpu: bool, file: Path, result: dict[str, Any]
) -> tuple[list[Row], bool]:
    """Rows of all settings, written to `file` after each; and whether any comparison failed, which is told."""
    found: list[Row] = []
    failures: list[str] = []
    for setting in planned:
        try:
            found += rows(setting, measure(setting, turns, gpu=gpu, tell=say), peaks[setting.dtype])
        except (UnequalError, WorkerError) as error:
            say(f"{setting}: FAILED\n{error}")
            failures.append(f"{setting}: {str(error).strip().splitlines()[-1]}")
        file.parent.mkdir(exist_ok=True)
        content = result | {"rows": [asdict(row) for row in found], "failures": failures}
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found, bool(failures)


def probe() -> dict[str, Any]:
    """The hardware, measured in a process of its own."""
    setting = Setting("dpo", "float32", QUICK_VOCABULARY)
    worker = Worker(Spec("machine", allocator=False), setting)
    try:
        return describe(worker.ask("check", None))
    finally:
        worker.stop()


def say(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


def _whole(word: str | int) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise InputError(f'--vocabulary "{word}": must be a whole number') from error


if __name__ == "__main__":
    try:
        app()
    except InputError as error:
        sys.exit(f"benchmarks: {error}")
