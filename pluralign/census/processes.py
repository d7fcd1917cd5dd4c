"""Count the stretches of a data set side by side in processes of this machine."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from pluralign.census.counts import Counts
from pluralign.census.gauge import Gauge
from pluralign.census.survey import count_shard
from pluralign.data.shards import Shard
from pluralign.errors import RunError


def count_shards(shards: Sequence[Shard], gauge: Gauge, workers: int) -> Iterator[tuple[Shard, Counts]]:
    """Every stretch with its counts, as they are done.

    Raises: InputError where one is damaged, RunError where a process dies.
    """
    if workers == 1 or len(shards) < 2:
        yield from ((shard, count_shard(shard, gauge)) for shard in shards)
        return
    pool = ProcessPoolExecutor(min(workers, len(shards)), mp_context=get_context("spawn"), initializer=_begin)
    try:
        waiting = {pool.submit(count_shard, shard, gauge): shard for shard in shards}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool as error:
        raise RunError("a process died, for want of memory perhaps: fewer --workers need less") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the process that began this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
