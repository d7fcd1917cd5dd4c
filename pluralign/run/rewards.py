"""The rewards that a stage learns from: found before anything is computed, loaded when the stage is trained."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralign import plugins
from pluralign.errors import InputError
from pluralign.run.loading import loading_of, model_folder
from pluralign.run.parts import Prepared, Rung
from pluralign.runfile.parts import StagePart

if TYPE_CHECKING:
    from pluralign.train.rewarding import Reward


def reward_keys(part: StagePart, rungs: Mapping[str, Rung], beside: Path) -> list[tuple[str, Any]]:
    """What a content key holds of every reward, in order: its name and a stage's key, a function's version, an address.

    What a server answers cannot be known before, so another model at the same address is not noticed.

    Raises: InputError for what is no reward.
    """
    return [(name, _key(name, rungs, beside, f"{part.place}: reward")) for name in part.header.rewards]


def _key(name: str, rungs: Mapping[str, Rung], beside: Path, place: str) -> Any:
    if _is_address(name):
        from pluralign.train.endpoint import read_address

        try:
            return list(read_address(name))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    if ":" in name:
        module, _ = plugins.find_function(name, beside, place)
        return plugins.version(module)
    if rungs[name].stage.kind != "reward":
        raise InputError(f'{place}: "{name}" is no reward model but a model that writes')
    return {"stage": rungs[name].stage.key, "dtype": rungs[name].dtype}


def load_rewards(part: StagePart, prepared: Prepared) -> "list[Reward]":
    """The rewards of a stage, ready to judge; reward models are read into memory, as they are audited.

    Raises: InputError where one cannot be loaded.
    """
    return [_load(name, part, prepared) for name in part.header.rewards]


def _load(name: str, part: StagePart, prepared: Prepared) -> "Reward":
    from pluralign.train.endpoint import EndpointReward
    from pluralign.train.rewarding import FunctionReward, ModelReward

    if _is_address(name):
        return EndpointReward.at(name, prepared.template)
    if ":" in name:
        return FunctionReward(name=name, function=_function(name, part, prepared))
    rung = prepared.rung(name)
    if rung.part is not None and rung.part.members:
        from pluralign.train.rewarding import MeanReward

        return MeanReward(name=name, members=tuple(_load(member, part, prepared) for member in rung.part.members))
    settings = {"template": prepared.template, "adapter": rung.adapter, **loading_of(rung)}
    return ModelReward.load(name, model_folder(rung), **settings)


def _function(name: str, part: StagePart, prepared: Prepared) -> Callable[..., Any]:
    """A reward function, of the text that is in the stage's key."""
    place = f"{part.place}: reward"
    module, function = plugins.find_function(name, prepared.file.beside, place)
    entry = prepared.rung(part.name).entry
    if entry is None or dict(entry.made_of["reward"])[name] != plugins.version(module):
        raise InputError(f'{place}: "{name}" has changed since the run began; give the same command again')
    return function


def _is_address(name: str) -> bool:
    return "://" in name
