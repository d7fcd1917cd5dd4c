"""Seeds of a stage: models of their own to a run, one stage with several seeds to the statistics."""

import dataclasses
from collections.abc import Iterable, Mapping

from pluralign.records.stage import Stage
from pluralign.run.ladder import Transition
from pluralign.runfile.parts import Family

Families = Mapping[str, Family]


def name_of(name: str, families: Families) -> str:
    """What the statistics call a stage: its name without the seed."""
    return families[name].name if name in families else name


def as_seed(stage: Stage, families: Families) -> Stage:
    """A stage as the statistics know it, its parents and its reference too."""
    if stage.name not in families:
        return stage
    own = families[stage.name]
    return dataclasses.replace(
        stage,
        name=own.name,
        seed=own.seed,
        parents=tuple(name_of(parent, families) for parent in stage.parents),
        reference=None if stage.reference is None else name_of(stage.reference, families),
    )


def transitions_of(transitions: Iterable[Transition], families: Families) -> tuple[Transition, ...]:
    """The transitions between stages, each once, whatever the number of seeds."""
    return tuple(dict.fromkeys((name_of(below, families), name_of(above, families)) for below, above in transitions))


def against_of(held_against: Mapping[str, str], families: Families) -> dict[str, str]:
    """Stage → the stage that its numbers are held against, whatever the number of seeds; none against itself."""
    found = {name_of(stage, families): name_of(other, families) for stage, other in held_against.items()}
    return {stage: other for stage, other in found.items() if stage != other}
