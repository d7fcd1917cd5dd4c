"""How fast a census is: rows and tokens a second, and what a billion tokens take.

    python -m benchmarks.census DATA [--rows 100000] [--workers 2]

The rows of DATA are repeated until there are as many as asked for, and `pluralign census` counts them. A census looks
at equal texts among 1,000 rows once, so DATA should hold more rows than that. Processor seconds are those of all
processes, start included; what a billion tokens take is told from them, since they depend little on other work.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pluralign.data import rows as tables


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in islice(_repeated(asked.data), asked.rows):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(json.dumps(_measure(path, asked.workers), indent=2))


def _repeated(data: str) -> Iterator[dict[str, Any]]:
    table = tables.read(data, sandbox="preferences", beside=Path(), place="benchmark").rows
    return (dict(row) for row in cycle(table))


def _measure(path: Path, workers: int) -> dict[str, Any]:
    runs = path.with_name("runs")
    command = [sys.executable, "-m", "pluralign", "census", str(path), "--workers", str(workers), "--runs", str(runs)]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    card = json.loads(next(runs.rglob("card.json")).read_text(encoding="utf-8"))
    tokens = sum(card["tokens"].values())
    return {
        "rows": card["rows"],
        "texts": sum(card["texts"].values()),
        "tokens": tokens,
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "workers": workers,
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "tokens_a_processor_second": round(tokens / processor),
        "core_hours_for_a_billion_tokens": round(processor / tokens * 1e9 / 3600, 2),
    }


if __name__ == "__main__":
    main()
