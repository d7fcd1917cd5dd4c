"""The data sets of a run: read by their sources, mixed, and split by prompt."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from pluralign import plugins
from pluralign.data import mix, rows
from pluralign.data.rows import Rows
from pluralign.data.sampling import Sampling
from pluralign.errors import InputError
from pluralign.records.preference import LeftOut, Preference
from pluralign.run.parts import Voices
from pluralign.runfile.parts import DataPart, RunFile, StagePart
from pluralign.store import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What rows gave before anything is drawn: `left_out` counts by reason, `made_of` stands for it in a key.

    `held_out`: pairs of a split that is held out as a whole.
    """

    preferences: Sequence[Preference]
    held_out: Sequence[Preference]
    left_out: Mapping[str, int]
    made_of: Mapping[str, Any]


def gather(file: RunFile) -> tuple[Voices, ...]:
    """Every data set of a run file, also those that mix others, in its order.

    Raises: InputError for rows that cannot be used, for draws that are not possible, and where nothing is left.
    """
    sets = {part.name: _read(part, file) for part in file.data if not part.header.mix}
    return tuple(
        _voices(part, _mixture(part, sets) if part.header.mix else sets[part.name], file.general.seed)
        for part in file.data
    )


def _read(part: DataPart, file: RunFile) -> Gathered:
    header, module = part.header, part.module
    sandbox = getattr(module, "SANDBOX", "preferences")
    table = rows.read(header.rows or module.ROWS, sandbox=sandbox, beside=file.beside, place=part.place)
    preferences, left_out = _load(part, table, header.split)
    apart = header.held_out if isinstance(header.held_out, str) else None
    held_out: list[Preference] = []
    if apart is not None:
        held_out, others = _load(part, table, apart)
        left_out.update(others)
    made_of = {
        "source": f"{header.uses} {plugins.version(module)}",
        "options": plugins.made_of(part.options),
        "rows": table.fingerprint,
        "split": header.split,
        "held_out_split": apart,
    }
    return Gathered(preferences=preferences, held_out=held_out, left_out=left_out, made_of=made_of)


def _load(part: DataPart, everything: Rows, split: str | None) -> tuple[list[Preference], Counter[str]]:
    """The preferences of a split, or of all rows, and how many others are left out by reason."""
    table = everything if split is None else everything.only(split, part.place)
    preferences: list[Preference] = []
    left_out: Counter[str] = Counter()
    try:
        for found in part.module.load(table.rows, part.options, table.source):
            if isinstance(found, LeftOut):
                left_out[found.why] += 1
            else:
                preferences.append(found)
    except InputError as error:
        raise InputError(f"{part.place}: {table.locate(str(error))}") from error
    return preferences, left_out


def _mixture(part: DataPart, sets: Mapping[str, Gathered]) -> Gathered:
    """Several data sets as one, in the order in which they are named."""
    named = {name: sets[name] for name in part.header.mix}
    by_set = part.header.groups == "sets"

    def together(kind: str) -> list[Preference]:
        return [
            replace(preference, group=name) if by_set else preference
            for name, gathered in named.items()
            for preference in getattr(gathered, kind)
        ]

    left_out = {f"{name}: {why}": count for name, gathered in named.items() for why, count in gathered.left_out.items()}
    made_of = {"mix": [[name, gathered.made_of] for name, gathered in named.items()], "groups": part.header.groups}
    return Gathered(
        preferences=together("preferences"), held_out=together("held_out"), left_out=left_out, made_of=made_of
    )


def _voices(part: DataPart, gathered: Gathered, seed: int) -> Voices:
    header = part.header
    sampling = _sampling(part)
    apart = {preference.prompt_id for preference in gathered.held_out}
    pool = [preference for preference in gathered.preferences if preference.prompt_id not in apart]
    left_out = dict(gathered.left_out)
    if len(pool) < len(gathered.preferences):
        left_out["a prompt that the held-out split has as well"] = len(gathered.preferences) - len(pool)
    train, held_out = _sides(part, pool, sampling, seed)
    if not train:
        why = "; ".join(f"{count} left out, {why}" for why, count in left_out.items())
        raise InputError(
            f"{part.place}: no preference is left to train on (of {len(gathered.preferences)}"
            + (f"; {why})" if why else ")")
        )
    drawn = sampling != Sampling()
    made_of = {
        **gathered.made_of,
        **plugins.plain(sampling),
        "shares": [[group, share] for group, share in sampling.shares.items()],
        "held_out": header.held_out,
        "seed": seed if drawn else None,
    }
    return Voices(
        name=part.name,
        entry=Entry("data", part.name, made_of),
        train=tuple(train),
        held_out=(*held_out, *gathered.held_out),
        left_out=left_out,
    )


def _sides(
    part: DataPart, pool: Sequence[Preference], sampling: Sampling, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """What is trained on and what is held out of `pool`: `per_group` draws after the split, all else before it."""
    share = 0.0 if isinstance(part.header.held_out, str) else part.header.held_out
    if sampling.per_group is None:
        return mix.split(mix.mix(pool, sampling, seed=seed, place=part.place), share)
    train, held_out = mix.split(pool, share)
    untrained = sorted({pair.group for pair in pool} - {pair.group for pair in train})
    if untrained:
        raise InputError(
            f'{part.place}: per_group = {sampling.per_group}, but every prompt of "{untrained[0]}" is held out; '
            "lower held_out"
        )
    return mix.mix(train, sampling, seed=seed, place=part.place), held_out


def _sampling(part: DataPart) -> Sampling:
    header = part.header
    try:
        return Sampling(
            shares=header.shares,
            temperature=header.temperature,
            per_group=header.per_group,
            size=header.size,
            repeat=header.repeat,
        )
    except ValueError as error:
        raise InputError(f"{part.place}: {error}") from error


def check_completions(stages: Sequence[StagePart], voices: Mapping[str, Voices]) -> None:
    """Refuse data that lack a completion which a stage's method learns from. Raises: InputError."""
    for stage in stages:
        if stage.module is None:
            continue
        data = voices[str(stage.header.data)]
        for preference in (*data.train, *data.held_out):
            if not all(stage.module.completions(preference)):
                what = "prompts without completions" if not preference.chosen else "completions with nothing rejected"
                raise InputError(
                    f'{stage.place}: data "{data.name}" holds {what}, which method = "{stage.header.method}" cannot '
                    f"learn from ({preference.source}, prompt {preference.prompt_id[:60]!r})"
                )


def notices(parts: Sequence[DataPart], voices: Sequence[Voices]) -> Iterator[str]:
    """What was left out of each set, and how many prompts are trained on in one and held out in another.

    `voices`: those of `parts`, in their order.
    """
    for part, data in zip(parts, voices, strict=True):
        if data.left_out and not part.header.mix:
            listed = ", ".join(f"{why} ({count})" for why, count in data.left_out.items())
            yield f'data "{data.name}": left out: {listed}.'
    trained = {data.name: {pair.prompt_id for pair in data.train} for data in voices}
    held_out = {data.name: {pair.prompt_id for pair in data.held_out} for data in voices}
    for one, other in permutations(voices, 2):
        common = trained[one.name] & held_out[other.name]
        if common:
            yield (
                f'data "{one.name}" trains on {len(common)} prompts that data "{other.name}" holds out; '
                "the same held_out for both keeps them apart."
            )


def unused_margins(stages: Sequence[StagePart], voices: Mapping[str, Voices]) -> Iterator[str]:
    """What is said of stages whose data have margins and whose method makes nothing of them."""
    for stage in stages:
        if stage.module is None or getattr(stage.module, "USES_MARGINS", False):
            continue
        data = voices[str(stage.header.data)]
        count = sum(preference.margin > 0 for preference in data.train)
        if count:
            yield (
                f'stage {stage.name}: {count} pairs of data "{data.name}" have a margin, '
                f'of which method = "{stage.header.method}" makes no use.'
            )
