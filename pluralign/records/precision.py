"""In what numbers a model's weights are held."""

from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16", "float64"]
"""The type of the weights; "auto" is the one that the checkpoint was saved in, as transformers has it."""

Quantization = Literal["bitsandbytes-4bit", "bitsandbytes-8bit", "torchao-int8"]
"""How linear layers are quantised while they are loaded, by the package of that name."""
