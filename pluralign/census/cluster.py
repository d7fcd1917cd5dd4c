"""Count the stretches of a data set on the machines of a Ray cluster, by Ray Data.

Every machine needs pluralign with the same extras, and the data at the same path, or access to the hub. A stretch whose
process or machine is lost is counted again elsewhere by Ray; since a stretch is counted whole or not at all, and counts
are added up here, nothing is counted twice.
"""

import json
import logging
import pickle
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pluralign.census.counts import Counts
from pluralign.census.gauge import Gauge
from pluralign.census.survey import count_shard
from pluralign.data.shards import Shard
from pluralign.errors import InputError, PluralignError, RunError

WAIT_SECONDS = 5.0
"""How long a cluster may take to answer before the work begins."""
_ADDRESS = re.compile(r"(?:ray://)?([^:/]+):(\d+)")


def check_ray(address: str) -> None:
    """Refuse early where Ray is not installed, or nothing answers at an address. Raises: InputError."""
    try:
        import ray.data  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError('--ray needs: pip install "pluralign[ray]"') from error
    if address in ("auto", "local"):
        return
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise InputError(f'--ray "{address}": give HOST:PORT, ray://HOST:PORT, "auto" or "local"')
    try:
        socket.create_connection((found[1], int(found[2])), timeout=WAIT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--ray {address}: nothing answers there ({error}); is the cluster up?") from error


def count_on_ray(shards: Sequence[Shard], gauge: Gauge, address: str) -> Iterator[tuple[Shard, Counts]]:
    """Every stretch with its counts, as they come in; `address` is what `ray.init` takes.

    Raises: InputError where one is damaged, RunError where the cluster fails more often than Ray tries.
    """
    import ray  # pyright: ignore[reportMissingImports]
    from ray.exceptions import RayError  # pyright: ignore[reportMissingImports]

    began = not ray.is_initialized()
    try:
        if began:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"index": index, "shard": pickle.dumps(shard)} for index, shard in enumerate(shards)]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        for done in data.map(partial(_count, gauge=pickle.dumps(gauge))).iter_rows():
            if done["error"]:
                raise pickle.loads(done["error"])
            yield shards[done["index"]], Counts.from_json(json.loads(done["counts"]))
    except (ConnectionError, RayError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(f"--ray {address}: {told}") from error
    finally:
        if began:
            ray.shutdown()


def _count(row: Mapping[str, Any], gauge: bytes) -> dict[str, Any]:
    """One stretch as a row of plain values: its counts, or what the user is to be told."""
    try:
        counts, error = json.dumps(count_shard(pickle.loads(row["shard"]), pickle.loads(gauge)).to_json()), b""
    except PluralignError as told:
        counts, error = "", pickle.dumps(told)
    return {"index": row["index"], "counts": counts, "error": error}
