"""TRL's DPOTrainer at its best settings: its own collator, loss and precision, on the pairs as token ids.

Reference log-probabilities come precomputed, as ours do; gradient checkpointing is off, which is on by default and
costs time; bfloat16 is autocast over float32 weights, by the trainer's own preparation of the model. How many pairs
share a forward pass is the better of several (`choices.py`), the rest being gathered by accumulation: fewer pairs at a
time are padded less. `padding_free` is not available in this version, and its fused kernels want a GPU.
"""

import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer  # pyright: ignore[reportMissingImports]

from benchmarks.cases import Setting
from benchmarks.equality import save_gradient
from benchmarks.models import make_model, make_tokenizer
from benchmarks.requests import forks, references
from benchmarks.sides import Side


def prepare(setting: Setting, *, pairs_together: int) -> Side:
    """The side of a training setting."""
    return Step(setting, pairs_together)


class Step:
    """The loss and gradients of a DPO step."""

    def __init__(self, setting: Setting, pairs_together: int) -> None:
        self.trainer = _trainer(setting, pairs_together)
        self.model = self.trainer.accelerator.prepare_model(self.trainer.model)
        self.model.train()
        self.batches = _batches(self.trainer, setting, pairs_together)

    def run(self) -> int:
        """One step; the optimiser's own work is not part of it."""
        self._step()
        return 1

    def check(self, gradient: Path | None) -> list[float]:
        """The loss and the log-probability per token of every completion; the gradient is left in a file."""
        loss = self._step()
        if gradient is not None:
            save_gradient(self.trainer.accelerator.unwrap_model(self.model), gradient)
        by_token: list[float] = []
        for batch in self.batches:
            sums = torch.stack(self.trainer.compute_ref_log_probs(self.model, batch), dim=1)
            tokens = torch.stack(batch["completion_mask"].sum(dim=1).chunk(2), dim=1)
            by_token += (sums / tokens).flatten().tolist()
        return [loss, *by_token]

    def _step(self) -> float:
        self.model.zero_grad(set_to_none=True)
        total = 0.0
        for batch in self.batches:
            with self.trainer.compute_loss_context_manager():
                loss = self.trainer.compute_loss(self.model, batch) / len(self.batches)
            loss.backward()
            total += loss.item()
        return total


def _trainer(setting: Setting, pairs_together: int) -> DPOTrainer:
    arguments = DPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=pairs_together,
        precompute_ref_log_probs=True,
        gradient_checkpointing=False,
        bf16=setting.dtype == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        max_length=None,
        report_to="none",
    )
    rows: Any = Dataset.from_list([{"prompt": "w2 ", "chosen": "w3", "rejected": "w4"}])
    return DPOTrainer(
        model=make_model(setting),
        args=arguments,
        train_dataset=rows,
        processing_class=make_tokenizer(setting.vocabulary),
    )


def _batches(trainer: DPOTrainer, setting: Setting, pairs_together: int) -> list[dict[str, torch.Tensor]]:
    """The pairs as the trainer's collator makes them, in the order given, on its device.

    Raises: ValueError where the pairs do not make whole batches, whose mean would not be the mean over pairs.
    """
    rows = [
        {
            "prompt_ids": list(fork.prompt),
            "chosen_ids": list(fork.completions[0]),
            "rejected_ids": list(fork.completions[1]),
            "ref_chosen_logps": reference[0],
            "ref_rejected_logps": reference[1],
        }
        for fork, reference in zip(forks(setting), references(setting), strict=True)
    ]
    if len(rows) % pairs_together:
        raise ValueError(f"{len(rows)} pairs do not make batches of {pairs_together}")
    device = trainer.accelerator.device
    made = [
        trainer.data_collator(rows[start : start + pairs_together]) for start in range(0, len(rows), pairs_together)
    ]
    return [{name: values.to(device) for name, values in batch.items()} for batch in made]
