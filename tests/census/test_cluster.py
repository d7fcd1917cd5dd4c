"""On a Ray cluster the numbers are those of one process, also where a worker is killed on the way."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralign.census.cluster import check_ray, count_on_ray
from pluralign.census.counts import total
from pluralign.census.gauge import Gauge
from pluralign.census.survey import count_shard
from pluralign.data import shards
from pluralign.errors import InputError

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

IDENTIFY = """
import os, signal, time
from pathlib import Path

def tell(texts):
    time.sleep(0.05)
    note = Path({folder!r}) / "killed"
    if {kill} and any("row 33" in text for text in texts):
        try:
            note.touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return ["en"] * len(texts)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield "auto"
    ray.shutdown()


@pytest.mark.parametrize("kill", [False, True])
def test_the_numbers_are_those_of_one_process(
    cluster: str, kill: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "BYTES", 300)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"a gay man of Chad in row {n}"}) + "\n" for n in range(60)))
    (tmp_path / "mine.py").write_text(IDENTIFY.format(folder=str(tmp_path), kill=kill))
    table = shards.divide(str(path), beside=tmp_path, place="here").shards
    gauge = Gauge(identify="mine.py:tell", beside=tmp_path)
    found = dict(count_on_ray(table, gauge, cluster))
    assert (tmp_path / "killed").exists() == kill
    (tmp_path / "killed").touch()
    assert len(table) > 5
    assert total(found[shard] for shard in table) == total(count_shard(shard, gauge) for shard in table)


def test_a_damaged_row_is_named_as_by_one_process(cluster: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{torn\n')
    (tmp_path / "mine.py").write_text("def tell(texts):\n    return ['en'] * len(texts)\n")
    table = shards.divide(str(path), beside=tmp_path, place="here").shards
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2: not JSON"):
        list(count_on_ray(table, Gauge(identify="mine.py:tell", beside=tmp_path), cluster))


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("127.0.0.1:1", "nothing answers there .*is the cluster up"),
        ("ray:/x", 'give HOST:PORT, ray://HOST:PORT, "auto"'),
    ],
)
def test_an_address_where_no_cluster_is_is_refused_early(address: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check_ray(address)
