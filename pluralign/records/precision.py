"""In what numbers a model's weights are held."""

from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16", "float64"]
"""The type of the weights; "auto" is the one that the checkpoint was saved in, as transformers has it."""

Quantization = Literal["bitsandbytes-4bit", "torchao-int8"]
"""How linear layers are quantised while they are loaded, by the package of that name.

bitsandbytes' 8 bits are not among them: they treat a row by what else is in the batch, so that a log-probability would
depend on the company that a question is asked in (0.35 nats were seen).
"""
