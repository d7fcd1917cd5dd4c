"""`pluralign census`: check what is asked, count the data set stretch by stretch, keep each, write the card."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pluralign import plugins, store
from pluralign.census import countries, dialects, identities, scripts, sentiment
from pluralign.census.card import card
from pluralign.census.cluster import check_ray, count_on_ray
from pluralign.census.counts import Counts, total
from pluralign.census.gauge import CHARACTERS, Gauge, instruments
from pluralign.census.languages import DEFAULT, load_identifier
from pluralign.census.markdown import markdown, percent
from pluralign.census.processes import count_shards
from pluralign.census.survey import FirstLook, look_first, source_module
from pluralign.census.texts import read_columns
from pluralign.census.tokens import find_tokenizer
from pluralign.data import shards
from pluralign.data.countries import called
from pluralign.data.shards import Shard, Sharded
from pluralign.errors import InputError
from pluralign.report.names import display
from pluralign.run import environment
from pluralign.run.progress import bar, bars

VERSION = 2
"""Of what is counted and how; part of a census' key."""
LEXICONS = (dialects.FILE, identities.FILE, scripts.FILE, sentiment.FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for; `workers`: processes on this machine, `ray`: the address of a cluster instead."""

    data: str
    source: str | None = None
    columns: str = ""
    split: str | None = None
    identify: str = DEFAULT
    characters: int = CHARACTERS
    tokenizer: str | None = None
    workers: int | None = None
    ray: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """A checked request."""

    request: Request
    gauge: Gauge
    table: Sharded
    seen: FirstLook
    entry: store.Entry


def take(request: Request, runs: Path, *, command: str) -> str:
    """Count a data set, or find the card that is there already; gives the terminal's last lines.

    Raises: InputError before anything is counted, and where a file turns out to be damaged later on.
    """
    store.check_writable(runs)
    found = check(request)
    if found.entry.state(runs) != "done":
        with store.locked(runs / "census"):
            if found.entry.state(runs) != "done":  # by another process, before this one got the lock
                _make(found, runs, command)
    folder = found.entry.folder(runs)
    return _last_lines(json.loads((folder / "card.json").read_text(encoding="utf-8")), folder)


def check(request: Request) -> Census:
    """Everything that can be known beforehand. Raises: InputError."""
    here = Path()
    for name, number in (("--characters", request.characters), ("--workers", request.workers)):
        if number is not None and number < 1:
            raise InputError(f"{name} {number}: must be at least 1")
    if request.source is not None and request.columns:
        raise InputError(f'--columns: the columns of --source "{request.source}" are its own')
    if request.ray is not None:
        check_ray(request.ray)
    module = None if request.source is None else source_module(request.source, here)
    gauge = Gauge(
        columns=read_columns(request.columns),
        source=request.source,
        identify=request.identify,
        characters=request.characters,
        tokenizer=None if request.tokenizer is None else find_tokenizer(request.tokenizer, here).absolute(),
        beside=here.resolve(),
    )
    instruments(gauge)
    together = bool(getattr(module, "TOGETHER", False))
    data = request.data
    if request.ray is not None and plugins.find(data, here).exists():
        data = str(plugins.find(data, here).resolve())
    table = shards.divide(data, beside=here, place="census", split=request.split, together=together)
    seen = look_first(table.shards, gauge)
    made_of = {
        "census": VERSION,
        "data": table.fingerprint,
        "split": request.split,
        "columns": asdict(gauge.columns),
        "source": None if module is None else [request.source, plugins.version(module)],
        "identify": [gauge.identify, load_identifier(gauge.identify, here).version],
        "characters": gauge.characters,
        "tokenizer": None if gauge.tokenizer is None else store.file_key(gauge.tokenizer),
        "lexicons": {path.stem: store.file_key(path) for path in LEXICONS},
        "countries": store.content_key(countries.phrases()),
    }
    entry = store.Entry("census", _name(request.data), made_of)
    return Census(request=request, gauge=gauge, table=table, seen=seen, entry=entry)


def _name(data: str) -> str:
    """A file name for a data set: the last part of its path or hub id, without suffixes."""
    bare = re.sub(r"[@:].*", "", data).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w-]+", "_", re.sub(r"(\.(csv|tsv|json|jsonl|parquet|gz))+$", "", bare)) or "data"


def _make(found: Census, runs: Path, command: str) -> None:
    with store.making(found.entry, runs, in_steps=True) as folder:
        steps = folder / store.STEPS
        steps.mkdir(exist_ok=True)
        counts = total(_counted(found, steps))
        if not counts.under("rows"):
            why = "; ".join(f"{number} rows left out, {why}" for why, number in counts.under("left out").items())
            raise InputError(
                f"census: {found.table.source} holds no row that can be counted" + (f" ({why})" if why else "")
            )
        page = _card(counts, found, command)
        store.write_json(folder / "card.json", page)
        store.write_text(folder / "card.md", markdown(page, _language, called))


def _counted(found: Census, steps: Path) -> Iterator[Counts]:
    """The counts of every stretch in order; those of an earlier attempt are read, all others are made and kept."""
    paths = {shard: steps / f"{_key(shard)}.json" for shard in found.table.shards}
    missing = [shard for shard, path in paths.items() if not path.is_file()]
    if len(missing) < len(paths):
        print(f"{len(paths) - len(missing)} of {len(paths)} stretches are counted already", file=sys.stderr, flush=True)
    tokens = 0
    with bars() as progress, bar(progress, f"census {found.entry.name}") as meter:
        meter(total=len(missing))
        for done, (shard, counts) in enumerate(_work(missing, found), start=1):
            store.write_text(paths[shard], json.dumps(counts.to_json()))
            tokens += sum(counts.under("total", "tokens").values())
            meter(completed=done, tokens=tokens)
    for path in paths.values():
        yield Counts.from_json(json.loads(path.read_text(encoding="utf-8")))


def _work(missing: Sequence[Shard], found: Census) -> Iterator[tuple[Shard, Counts]]:
    if found.request.ray is not None and missing:
        return count_on_ray(missing, found.gauge, found.request.ray)
    return count_shards(missing, found.gauge, found.request.workers or os.cpu_count() or 1)


def _key(shard: Shard) -> str:
    return store.content_key({"kind": type(shard).__name__, **plugins.plain(shard)})


def _card(counts: Counts, found: Census, command: str) -> dict[str, Any]:
    made_of = found.entry.made_of
    settings: dict[str, Any] = {
        "source": found.request.source or "TRL's formats, by columns",
        "identify": ", ".join(made_of["identify"]),
        "characters": found.gauge.characters,
        "tokens": "words" if found.gauge.tokenizer is None else f"tokens of {found.request.tokenizer}",
    }
    not_read = None if found.seen.not_read is None else list(found.seen.not_read)
    data = {"source": found.table.source, "fingerprint": found.table.fingerprint, "not_read": not_read}
    categories = instruments(found.gauge).categories
    return {
        "data": data,
        "settings": settings,
        **card(counts, categories),
        "made_of": dict(made_of),
        "made_on": environment.describe(command),
    }


def _language(code: str) -> str:
    name = display("language", code, code)
    return {"und": "undetermined", "zxx": "no language"}.get(code, "" if name == code else name)


def _last_lines(page: Mapping[str, Any], folder: Path) -> str:
    """The first findings, what was not counted, and where the rest is."""
    kinds = page["english"]["texts"]
    listed = ", ".join(f"{kind} {percent(kinds[kind])}" for kind in kinds)
    lines = [f"{page['rows']:,} rows, {sum(page['tokens'].values()):,} {page['settings']['tokens']}; texts: {listed}"]
    if page["data"]["not_read"]:
        lines.append(f"columns read: {'; '.join(page['read_by'])}; not read: {', '.join(page['data']['not_read'])}")
    lines += [f"left out: {each['rows']:,} rows, {each['why']}" for each in page["left_out"]]
    return "\n".join([*lines, str(folder / "card.md"), str(folder / "card.json")])
