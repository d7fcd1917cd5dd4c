"""Models and tokenizers, loaded without noise and refused with one line."""

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.data.models import CLASSIFIER
from pluralign.engine.device import pick_device
from pluralign.engine.quiet import quiet
from pluralign.errors import InputError, RunError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}


def load_causal(
    model: str | Path, *, revision: str | None = None, dtype: str = "auto", device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model and its tokenizer, in evaluation mode.

    `model`: a folder or a hub id; `dtype`: one of `DTYPES`, or "auto" for float32 on a CPU and the checkpoint's own
    elsewhere; `device`: "cpu", "cuda:1"; the GPU where there is one unless said.

    Raises: InputError where it is no causal language model, lacks weights, or cannot be reached.
    """
    if is_classifier(model, revision=revision):
        raise InputError(f'model "{model}" is a classifier or reward model, and no causal language model')
    return _load(AutoModelForCausalLM, model, revision=revision, dtype=dtype, device=device)


def load_reward(
    model: str | Path, *, revision: str | None = None, dtype: str = "auto", device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model (a sequence classifier with one label) and its tokenizer, in evaluation mode.

    Raises: InputError where it is no such model, as for `load_causal`.
    """
    loaded, tokenizer = _load(AutoModelForSequenceClassification, model, revision=revision, dtype=dtype, device=device)
    if loaded.config.num_labels != 1:
        raise InputError(f'model "{model}" is a classifier of {loaded.config.num_labels} labels; a reward model has 1')
    return loaded, tokenizer


def make_reward_model(
    parent: str | Path, *, seed: int, device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model that starts from the causal model `parent`, in float32, with a new bias-free head.

    The head is drawn from N(0, 1 / (width + 1)) with `seed`. The padding token is set and differs from the end token,
    since transformers reads the reward at the last token that is not padding; a tokenizer without one is given one.

    Raises: InputError where there is no such architecture, as for `load_causal`.
    """
    model, tokenizer = _load(
        AutoModelForSequenceClassification, parent, device=device, dtype="float32", new="score.", num_labels=1
    )
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Linear) or head.bias is not None:
        raise InputError(f'model "{parent}": its architecture ({model.config.model_type}) has no bias-free reward head')
    draw = torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        head.weight.copy_(draw / math.sqrt(head.in_features + 1))
    _set_padding(model, tokenizer)
    return model, tokenizer


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Leave weights (safetensors), configuration and tokenizer in `folder`, as `from_pretrained` reads them.

    Raises: RunError where the folder cannot hold them, such as on a full disk.
    """
    try:
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except Exception as error:  # the tokenizers library raises nothing more precise
        raise RunError(f"{folder}: the model cannot be saved ({_first_line(error)}); is the disk full?") from error


def is_classifier(model: str | Path, *, revision: str | None = None) -> bool:
    """Whether the checkpoint is a sequence classifier, as reward models are, by its own account.

    Raises: InputError where it cannot be reached or is no model.
    """
    config = _read_config(model, revision)
    return any(name.endswith(CLASSIFIER) for name in config.architectures or ())


def read_outline(model: str | Path) -> tuple[PreTrainedTokenizerBase, int | None]:
    """A model's tokenizer and how many tokens it can take at once, without its weights.

    Raises: InputError where they cannot be loaded.
    """
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f'model "{model}" cannot be loaded: {_first_line(error)}') from error
    return tokenizer, _limit(_read_config(model, None))


def max_tokens(model: PreTrainedModel) -> int | None:
    """Tokens that the model can take at once; None where its configuration sets no bound."""
    return _limit(model.config)


def _limit(config: PreTrainedConfig) -> int | None:
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def _read_config(model: str | Path, revision: str | None) -> PreTrainedConfig:
    try:
        with quiet():
            return AutoConfig.from_pretrained(model, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f'model "{model}" cannot be loaded: {_first_line(error)}') from error


def _load(
    family: Any,
    model: str | Path,
    *,
    dtype: str,
    device: str | None,
    revision: str | None = None,
    new: str = "",
    **config: Any,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load; weights that the checkpoint lacks are refused unless their names begin with `new`."""
    place = pick_device(device)
    wanted = _dtype(dtype, place)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
            loaded, info = family.from_pretrained(
                model, revision=revision, dtype=wanted, output_loading_info=True, **config
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f'model "{model}" cannot be loaded: {_first_line(error)}') from error
    missing = sorted(name for name in info["missing_keys"] if not (new and name.startswith(new)))
    if missing:
        raise InputError(
            f'model "{model}" lacks {len(missing)} of the weights of {type(loaded).__name__}, such as "{missing[0]}"'
        )
    return loaded.to(place).eval(), tokenizer


def _dtype(dtype: str, place: torch.device) -> torch.dtype | str:
    if dtype == "auto":
        return torch.float32 if place.type == "cpu" else "auto"
    if dtype not in DTYPES:
        raise InputError(f'dtype "{dtype}" is not one of {", ".join(["auto", *DTYPES])}')
    return DTYPES[dtype]


def _set_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    embeddings: Any = model.get_input_embeddings()
    if len(tokenizer) > embeddings.weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model.config.pad_token_id = tokenizer.pad_token_id


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
