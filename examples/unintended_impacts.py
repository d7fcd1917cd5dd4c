"""Reads the recorded outputs of "Unintended Impacts of LLM Alignment on Global Representation", arXiv:2402.15018.

`data_root` is a clone of the authors' repository. What is in it is found by its place, never by a model's name:

    outputs/md3-game/<model>.csv                                     audit "dialects"
    outputs/tydiqa-goldp/{<model>}/greedy/1-shot/<language>.json     audit "tydiqa", with the gold answers in
    data/tydiqa/**/tydiqa-goldp-dev-<language>.json
    outputs/globalopinionsqa/<model>.csv                             audit "global_opinions"
    outputs/ask-reddit-perplexity-testing/<model>.csv                audit "countries"
    outputs/ask-reddit-reward-testing/<reward model>.csv             audit "countries" of a reward model
    data/countries/population_over_250k.csv                          which countries are ranked; all where it is absent
    data/countries/usa_favourability_order_2023.csv                  a survey that their ranks are held against
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pluralign.errors import InputError, unknown
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

from .recorded import answers, countries, games, opinions
from .recorded.places import checked_root, stage_name

VERSION = 2
EXPERIMENTS: Mapping[str, ModuleType] = {
    "dialects": games,
    "tydiqa": answers,
    "global_opinions": opinions,
    "countries": countries,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`data_root`: the folder that holds `outputs` and `data`."""

    data_root: Path


def stages(options: Options) -> dict[str, dict[str, tuple[Path, ...]]]:
    """Stage → audit → its files, for every model that has outputs.

    Raises `InputError` where there are none, or where two files give one stage the same audit.
    """
    root = checked_root(options.data_root)
    found: dict[str, dict[str, tuple[Path, ...]]] = {}
    for audit, experiment in EXPERIMENTS.items():
        for name, files in experiment.found(root):
            audits = found.setdefault(stage_name(name), {})
            if audit in audits:
                first, second = (paths[0] if len(paths) == 1 else paths[0].parent for paths in (audits[audit], files))
                raise InputError(
                    f'"{first}" and "{second}" are both audit "{audit}" of stage "{stage_name(name)}"; keep one'
                )
            audits[audit] = files
    if not found:
        places = ", no ".join(experiment.PLACE for experiment in EXPERIMENTS.values())
        raise InputError(f'data_root: "{root / "outputs"}" holds no {places}')
    return dict(sorted(found.items()))


def rewards(options: Options) -> frozenset[str]:
    """The stages that are reward models."""
    return frozenset(stage_name(name) for name in countries.rewards(checked_root(options.data_root)))


def rows(audit: str, options: Options) -> Iterator[Row]:
    """The questions of an audit, in the columns that it needs.

    Raises `InputError` where a file is damaged, or where two models were not asked the same.
    """
    if audit not in EXPERIMENTS:
        raise InputError(unknown("audit of these recorded outputs:", audit, EXPERIMENTS))
    return iter(list(EXPERIMENTS[audit].rows(checked_root(options.data_root))))


def replies(audit: str, files: Sequence[Path], items: Sequence[Item], options: Options) -> Iterator[Reply]:
    """What one model answered."""
    return EXPERIMENTS[audit].replies(files, items)


def audit_options(audit: str, options: Options) -> Mapping[str, Path]:
    """What is known of an audit's options where the run file does not give them: the lists of countries."""
    return countries.lists(checked_root(options.data_root)) if audit == "countries" else {}


def notices(options: Options) -> Iterator[str]:
    """What is in the outputs and stays out of the audits, and what is not there."""
    root = checked_root(options.data_root)
    for experiment in (answers, opinions, countries):
        yield from experiment.notices(root)
