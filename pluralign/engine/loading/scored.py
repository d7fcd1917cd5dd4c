"""Reward models of architectures for which transformers has no sequence classifier, such as Cohere's Aya and Mamba.

In memory such a model is transformers' own generic classifier put on the architecture's backbone, so that everything
else treats it like any other reward model. On disk it is the backbone, as `AutoModel` reads it, and beside it
`score.safetensors` with the head: `score.weight`, `[1, width]`; the reward is its product with the hidden state at the
last token.
"""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_MAPPING

from pluralign.data.models import SCORE
from pluralign.errors import InputError

WEIGHT = "score.weight"


class BackboneWithScore(GenericForSequenceClassification):
    """Marks the classifiers that are made here; `backbone_with_score` mixes it with an architecture's own class."""

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> PreTrainedModel:
        """A model without weights of its own, as the Auto classes make it."""
        made: Any = cls
        return made._from_config(config)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """How copies are made, in this process or another: by the architecture, since the class cannot be imported."""
        own: Any = self
        made: Any = super().__reduce_ex__(protocol)
        return _bare, (own.config,), made[2]


def classifier_of(config: PreTrainedConfig) -> Any:
    """The class that makes a reward model of an architecture: transformers', or ours where it has none.

    Raises: InputError for an architecture that has no backbone either.
    """
    if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return AutoModelForSequenceClassification
    if type(config) not in MODEL_MAPPING:
        raise InputError(f'the architecture "{config.model_type}" has no backbone that a reward head could stand on')
    return backbone_with_score(MODEL_MAPPING[type(config)])


@cache
def backbone_with_score(backbone: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """A classifier of the kind that transformers has for other architectures, on a backbone such as `CohereModel`."""
    family = next(kind for kind in backbone.__mro__[1:] if issubclass(kind, PreTrainedModel))
    name = f"{backbone.__name__.removesuffix('Model')}WithScore"
    prefix = {"base_model_prefix": family.base_model_prefix}
    return type(name, (BackboneWithScore, family), {"__module__": __name__, "__doc__": f"{name}.", **prefix})


def _bare(config: PreTrainedConfig) -> Any:
    """A classifier of an architecture with nothing in it yet."""
    family = backbone_with_score(MODEL_MAPPING[type(config)])
    return family.__new__(family)


def is_backbone_with_score(model: nn.Module) -> bool:
    """Whether a reward model is one that transformers has no class for."""
    return isinstance(model, BackboneWithScore)


def save_backbone(model: Any, folder: Path) -> None:
    """Leave the backbone and the head in `folder`."""
    model.base_model.save_pretrained(folder)
    weight = model.score.weight.detach().to("cpu").contiguous()
    save_file({WEIGHT: weight}, folder / SCORE, metadata={"format": "pt"})


def read_score(model: Any, folder: Path) -> None:
    """Give a model whose backbone was read from `folder` the head that was saved beside it.

    Raises: InputError where the file does not hold the head.
    """
    path = folder / SCORE
    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({str(error).splitlines()[0]})") from error
    weight, head = held.get(WEIGHT), model.score.weight
    if weight is None or weight.shape != head.shape:
        found = "no such weight" if weight is None else f"{list(weight.shape)}"
        raise InputError(f'{path}: "{WEIGHT}" must be {list(head.shape)}; there is {found}')
    with torch.no_grad():
        head.copy_(weight)


def format_of(model: PreTrainedModel) -> str:
    """What a saved model is, for the log: which class of transformers reads it."""
    if is_backbone_with_score(model):
        kind = model.config.model_type
        return f"{AutoModel.__name__} and {SCORE} (transformers has no sequence classifier for {kind})"
    return type(model).__name__
