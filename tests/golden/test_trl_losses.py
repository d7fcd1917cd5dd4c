"""Losses and gradients of SFT, reward models and DPO equal those of TRL's trainers on the same texts."""

from copy import deepcopy

import pytest
import torch

from pluralign.engine.loading.load import make_reward_model
from pluralign.methods import dpo, reward, sft

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

ARCHITECTURES = ("llama", "gpt2")
SINGLE, DOUBLE = torch.float32, torch.float64
CASES = [(architecture, DOUBLE, 1e-5) for architecture in ARCHITECTURES] + [("llama", SINGLE, 1e-4)]
LOSS = 1e-5
"""Nats. TRL sums the head's exponentials in float32 whatever the model's type."""

cases = pytest.mark.parametrize(("architecture", "dtype", "tolerance"), CASES)


@pytest.fixture
def tokenizer(tiny):
    return tiny.make_tokenizer(pad=True)


@pytest.fixture
def policies(tiny, tokenizer, architecture, dtype):
    """A policy and a reference that differs from it."""
    return [tiny.make_model(architecture, seed=seed, dtype=dtype, end=tokenizer.eos_token_id) for seed in (0, 1)]


@pytest.fixture
def scorer(tiny, tmp_path, architecture, dtype):
    """A reward model and its tokenizer."""
    model, tokenizer = make_reward_model(tiny.save_model(tmp_path / "parent", architecture, pad=True), seed=0)
    return model.to(dtype), tokenizer


def assert_agree(sides, ours, model, loss: float, trainer, tolerance: float) -> None:
    assert ours.objective == pytest.approx(loss, abs=LOSS)
    assert sides.apart(sides.gradient(model), sides.gradient(trainer.model)) < tolerance


@cases
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo_is_trls(sides, policies, tokenizer, tmp_path, tolerance, beta):
    policy, reference = policies
    trainer = sides.dpo_peer(deepcopy(policy), deepcopy(reference), tokenizer, tmp_path, beta=beta)
    loss = sides.peer_step(trainer)
    examples = sides.with_reference(sides.render(dpo, tokenizer), reference)
    assert [[row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]] for row in trainer.train_dataset] == [
        [list(ids) for ids in (one.fork.prompt, *one.fork.completions)] for one in examples
    ]
    ours = sides.step(policy, dpo, dpo.Options(beta=beta), examples)
    assert_agree(sides, ours, policy, loss, trainer, tolerance)
    for name in ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen"):
        [theirs] = trainer._metrics["train"][name]
        assert ours.metrics[name].mean().item() == pytest.approx(theirs, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize(("architecture", "dtype"), [("llama", DOUBLE)])
@pytest.mark.parametrize("place", [0, 4])
def test_label_smoothing_is_trls(sides, policies, tokenizer, tmp_path, place):
    """TRL smooths labels in its sorting loss, which is the plain one where a batch holds a single pair."""
    policy, reference = policies
    one = sides.PREFERENCES[place]
    row = {"prompt": one.prompt, "chosen": one.chosen, "rejected": one.rejected}
    options = {"loss_type": ["aot"], "label_smoothing": 0.2, "beta": 0.3}
    trainer = sides.dpo_peer(deepcopy(policy), deepcopy(reference), tokenizer, tmp_path, rows=[row], **options)
    loss = sides.peer_step(trainer)
    [example] = sides.with_reference([sides.render(dpo, tokenizer)[place]], reference)
    ours = sides.step(policy, dpo, dpo.Options(beta=0.3, label_smoothing=0.2), [example])
    assert_agree(sides, ours, policy, loss, trainer, 1e-5)


@cases
@pytest.mark.parametrize("margins", [False, True])
@pytest.mark.parametrize("centering", [0.0, 0.05])
def test_reward_loss_is_trls(sides, scorer, tmp_path, tolerance, margins, centering):
    model, tokenizer = scorer
    options = {"center_rewards_coefficient": centering} if centering else {}
    trainer = sides.reward_peer(deepcopy(model), tokenizer, tmp_path, margins=margins, **options)
    loss = sides.peer_step(trainer)
    examples = sides.render(reward, tokenizer)
    assert [[row["chosen_ids"], row["rejected_ids"]] for row in trainer.train_dataset] == [
        [list(one.fork.prompt + completion) for completion in one.fork.completions] for one in examples
    ]
    if not margins:
        examples = sides.without_margins(examples)
    ours = sides.step(model, reward, reward.Options(center_rewards_coefficient=centering), examples)
    assert_agree(sides, ours, model, loss, trainer, tolerance)
    for name in ("accuracy", "margin", "mean_reward"):
        assert ours.metrics[name].mean().item() == pytest.approx(trainer._metrics["train"][name][0], abs=1e-5)


@cases
def test_sft_loss_is_trls_on_completions_alone(sides, policies, tokenizer, tmp_path, tolerance):
    model, _ = policies
    trainer = sides.sft_peer(deepcopy(model), tokenizer, tmp_path)
    loss = sides.peer_step(trainer)
    ours = sides.step(model, sft, sft.Options(), sides.render(sft, tokenizer))
    assert_agree(sides, ours, model, loss, trainer, tolerance)


@pytest.mark.parametrize(("architecture", "dtype"), [("llama", DOUBLE)])
def test_the_comparison_can_tell(sides, policies, tokenizer, tmp_path):
    """A beta that is off by a hundredth is seen in loss and gradient, by far more than the tolerances."""
    policy, reference = policies
    trainer = sides.dpo_peer(deepcopy(policy), deepcopy(reference), tokenizer, tmp_path, beta=0.1)
    loss = sides.peer_step(trainer)
    ours = sides.step(
        policy, dpo, dpo.Options(beta=0.101), sides.with_reference(sides.render(dpo, tokenizer), reference)
    )
    assert abs(ours.objective - loss) > 20 * LOSS
    assert sides.apart(sides.gradient(policy), sides.gradient(trainer.model)) > 1e-3
