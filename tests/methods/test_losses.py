import math
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pluralign.engine.batch import Batch
from pluralign.methods import dpo, reward, sft
from pluralign.methods.dpo import dpo_loss
from pluralign.methods.reward import reward_loss
from pluralign.methods.sft import sft_loss
from pluralign.records.preference import Preference

nats = st.floats(-40, 40)
beta = st.floats(0.01, 2.0)
smoothing = st.floats(0.0, 0.49)
PREFERENCE = Preference(prompt="p", chosen="c", rejected="r", group="g", prompt_id="1", source="s")


def tensor(*values, grad=False):
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


@given(policy=nats, reference=nats, beta=beta, smoothing=smoothing)
def test_dpo_is_equation_7(policy, reference, beta, smoothing):
    margin = beta * (policy - reference)
    expected = -(1 - smoothing) * math.log(sigmoid(margin)) - smoothing * math.log(sigmoid(-margin))
    found = dpo_loss(tensor(policy), tensor(reference), beta=beta, label_smoothing=smoothing)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(policy=nats, beta=beta, smoothing=smoothing)
def test_a_policy_that_equals_its_reference_loses_log_two(policy, beta, smoothing):
    found = dpo_loss(tensor(policy), tensor(policy), beta=beta, label_smoothing=smoothing)
    assert found.item() == pytest.approx(math.log(2), abs=1e-12)


@given(policy=nats, reference=nats, beta=beta)
def test_swapping_a_pair_turns_its_loss_by_its_margin(policy, reference, beta):
    loss = dpo_loss(tensor(policy), tensor(reference), beta=beta)
    swapped = dpo_loss(tensor(-policy), tensor(-reference), beta=beta)
    assert (swapped - loss).item() == pytest.approx(beta * (policy - reference), abs=1e-9)


@given(policy=nats, reference=nats, beta=beta, smoothing=smoothing)
def test_dpo_gradient_is_the_formula_of_the_paper(policy, reference, beta, smoothing):
    leaf = tensor(policy, grad=True)
    dpo_loss(leaf, tensor(reference), beta=beta, label_smoothing=smoothing).sum().backward()
    expected = beta * (sigmoid(beta * (policy - reference)) - (1 - smoothing))
    assert leaf.grad.item() == pytest.approx(expected, abs=1e-9)


@given(chosen=nats, rejected=nats, smoothing=smoothing, centering=st.floats(0, 0.1))
def test_reward_gradient_is_the_closed_form(chosen, rejected, smoothing, centering):
    first, second = tensor(chosen, grad=True), tensor(rejected, grad=True)
    reward_loss(first, second, label_smoothing=smoothing, center_rewards_coefficient=centering).sum().backward()
    pull = sigmoid(chosen - rejected) - (1 - smoothing)
    center = 2 * centering * (chosen + rejected)
    assert first.grad.item() == pytest.approx(pull + center, abs=1e-9)
    assert second.grad.item() == pytest.approx(-pull + center, abs=1e-9)


@given(chosen=nats, rejected=nats)
def test_reward_loss_is_the_likelihood_that_the_chosen_wins(chosen, rejected):
    found = reward_loss(tensor(chosen), tensor(rejected)).item()
    assert math.exp(-found) == pytest.approx(sigmoid(chosen - rejected), rel=1e-9)


@given(chosen=nats, rejected=nats, margin=st.floats(0, 5), smoothing=smoothing)
def test_a_margin_is_taken_off_what_the_chosen_is_ahead_by(chosen, rejected, margin, smoothing):
    found = reward_loss(tensor(chosen), tensor(rejected), tensor(margin), label_smoothing=smoothing)
    without = reward_loss(tensor(chosen - margin), tensor(rejected), label_smoothing=smoothing)
    assert found.item() == pytest.approx(without.item(), rel=1e-9, abs=1e-9)


@given(chosen=st.floats(-5, 5), rejected=st.floats(-5, 5), margin=st.floats(0, 5))
def test_with_a_margin_the_loss_and_its_gradient_are_llama_2s(chosen, rejected, margin):
    first, second = tensor(chosen, grad=True), tensor(rejected, grad=True)
    found = reward_loss(first, second, tensor(margin))
    found.sum().backward()
    assert found.item() == pytest.approx(-math.log(sigmoid(chosen - rejected - margin)), rel=1e-9)
    assert first.grad.item() == pytest.approx(-sigmoid(-(chosen - rejected - margin)), rel=1e-9)
    assert second.grad.item() == pytest.approx(-first.grad.item())


def test_margins_of_a_batch_change_its_loss_and_no_metric():
    scores, tokens = tensor(2.0, 1.0, -1.0, 1.0).view(2, 2), torch.ones(2, 2, dtype=torch.long)
    plain = reward.losses(Batch(scores=scores, reference=None, tokens=tokens), reward.Options())
    margins = tensor(1.0, 0.0)
    found = reward.losses(Batch(scores=scores, reference=None, tokens=tokens, margins=margins), reward.Options())
    assert found.per_pair[0].item() == pytest.approx(math.log(2))
    assert found.per_pair[1] == plain.per_pair[1]
    assert all(torch.equal(found.metrics[name], plain.metrics[name]) for name in plain.metrics)


@given(logprobs=st.lists(st.tuples(st.floats(-50, 0), st.integers(1, 20)), min_size=1, max_size=6))
def test_sft_weighted_by_tokens_is_the_mean_over_tokens(logprobs):
    sums, tokens = tensor(*(value for value, _ in logprobs)), torch.tensor([count for _, count in logprobs])
    found = (sft_loss(sums, tokens) * tokens).sum() / tokens.sum()
    assert found.item() == pytest.approx(
        -sum(value for value, _ in logprobs) / tokens.sum().item(), rel=1e-9, abs=1e-12
    )


def test_dpo_metrics_are_implicit_rewards():
    scores, reference = tensor(-3.0, -5.0, -2.0, -1.0).view(2, 2), tensor(-4.0, -4.0, -2.0, -2.0).view(2, 2)
    batch = Batch(scores=scores, reference=reference, tokens=torch.ones(2, 2, dtype=torch.long))
    found = dpo.losses(batch, dpo.Options(beta=0.5))
    assert found.metrics["rewards/chosen"].tolist() == [0.5, 0.0]
    assert found.metrics["rewards/rejected"].tolist() == [-0.5, 0.5]
    assert found.metrics["rewards/margins"].tolist() == [1.0, -0.5]
    assert found.metrics["rewards/accuracies"].tolist() == [1.0, 0.0]
    torch.testing.assert_close(found.per_pair, dpo_loss(tensor(2.0, -1.0), tensor(0.0, 0.0), beta=0.5))
    with pytest.raises(ValueError, match="needs the reference"):
        dpo.losses(Batch(scores=scores, reference=None, tokens=batch.tokens), dpo.Options())


def test_metrics_of_a_reward_model_are_those_of_trl():
    batch = Batch(
        scores=tensor(2.0, -1.0, 0.5, 1.0).view(2, 2), reference=None, tokens=torch.ones(2, 2, dtype=torch.long)
    )
    found = reward.losses(batch, reward.Options()).metrics
    assert {name: values.tolist() for name, values in found.items()} == {
        "mean_reward": [0.5, 0.75],
        "margin": [3.0, -0.5],
        "accuracy": [1.0, 0.0],
    }
    assert tuple(found) == reward.METRICS


@pytest.mark.parametrize(("method", "texts"), [(sft, ("c",)), (reward, ("c", "r")), (dpo, ("c", "r"))])
def test_every_method_has_what_the_loop_needs(method: ModuleType, texts):
    assert method.completions(PREFERENCE) == texts
    assert method.COUNTS in ("pairs", "tokens")
    scores = torch.zeros(3, len(texts), dtype=torch.float64)
    batch = Batch(scores=scores, reference=scores, tokens=torch.ones_like(scores, dtype=torch.long))
    found = method.losses(batch, method.Options())
    assert found.per_pair.shape == (3,)
    assert all(values.shape == (3,) for values in found.metrics.values())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (dpo, {"beta": 0.0}),
        (dpo, {"label_smoothing": 0.5}),
        (reward, {"label_smoothing": -0.1}),
        (reward, {"center_rewards_coefficient": -1.0}),
    ],
)
def test_options_out_of_range_are_refused(method, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        method.Options(**options)
