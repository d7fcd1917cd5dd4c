"""RLOO by its formulas: advantages, the clipped ratio, the KL in the reward, truncated completions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pluralign.engine.batch import Batch, Drawn
from pluralign.methods import rloo
from pluralign.methods.rloo import Options

NUMBERS = st.floats(-20, 20, allow_nan=False, width=32)
TABLES = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=4)
)


def table(rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def drawn(rewards, truncated=None, **more) -> Drawn:
    rewards = table(rewards)
    ends = torch.zeros_like(rewards, dtype=torch.bool) if truncated is None else torch.tensor(truncated)
    return Drawn(rewards=rewards, truncated=ends, **more)


def batch(scores, known: Drawn, reference=None, tokens=4) -> Batch:
    scores = table(scores).requires_grad_()
    lengths = torch.full(scores.shape, tokens)
    return Batch(scores=scores, reference=None if reference is None else table(reference), tokens=lengths, drawn=known)


def gradient(of: Batch, options: Options) -> torch.Tensor:
    return torch.autograd.grad(rloo.losses(of, options).per_pair.sum(), of.scores)[0]


@given(TABLES)
def test_an_advantage_is_the_return_less_the_mean_of_the_others(rows):
    found = rloo.leave_one_out(table(rows))
    for row, advantages in zip(rows, found.tolist(), strict=True):
        for place, value in enumerate(row):
            others = row[:place] + row[place + 1 :]
            assert advantages[place] == pytest.approx(value - sum(others) / len(others), abs=1e-9)
    assert found.sum(dim=1).tolist() == pytest.approx([0.0] * len(rows), abs=1e-9)


@given(TABLES, NUMBERS)
def test_what_all_siblings_share_changes_no_advantage(rows, shift):
    assert torch.allclose(rloo.leave_one_out(table(rows) + shift), rloo.leave_one_out(table(rows)), atol=1e-9)


def test_the_gradient_is_that_of_reinforce_with_the_advantage_held_fixed():
    rewards, scores, reference = [[1.0, 0.0, 4.0]], [[-3.0, -5.0, -2.0]], [[-3.5, -4.0, -2.0]]
    options = Options(num_generations=3, beta=0.5)
    returns = [
        reward - 0.5 * (own - other) for reward, own, other in zip(rewards[0], scores[0], reference[0], strict=True)
    ]
    advantages = rloo.leave_one_out(table([returns]))
    of = batch(scores, drawn(rewards), reference)
    assert torch.allclose(gradient(of, options), -advantages / 3)
    assert rloo.losses(of, options).per_pair.item() == pytest.approx(0.0, abs=1e-12)


def test_old_logprobs_of_the_same_policy_change_nothing():
    rewards, scores, reference = [[1.0, 0.0], [2.0, 5.0]], [[-3.0, -5.0], [-2.0, -7.0]], [[-3.5, -4.0], [-1.0, -8.0]]
    alone = batch(scores, drawn(rewards), reference)
    beside = batch(scores, drawn(rewards, old=table(scores)), reference)
    assert torch.allclose(gradient(alone, Options()), gradient(beside, Options()))


def test_the_kl_is_that_of_the_policy_which_wrote():
    old, reference, rewards = [[-4.0, -6.0]], [[-5.0, -5.0]], [[0.0, 0.0]]
    options = Options(beta=0.5, epsilon=0.9, epsilon_high=9.0)
    of = batch([[-3.9, -6.2]], drawn(rewards, old=table(old)), reference, tokens=2)
    advantages = rloo.leave_one_out(table([[-0.5 * 1.0, -0.5 * -1.0]]))
    expected = -(table([[math.exp(0.1), math.exp(-0.2)]]) * advantages).mean()
    found = rloo.losses(of, options)
    assert found.per_pair.item() == pytest.approx(expected.item())
    assert found.metrics["kl"].item() == pytest.approx((1.0 - 1.0) / 4)
    assert found.metrics["reward"].item() == 0.0


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "moves", "expected"),
    [
        (math.log(1.5), 1.0, False, -1.2),
        (math.log(1.5), -1.0, True, 1.5),
        (math.log(0.5), 1.0, True, -0.5),
        (math.log(0.5), -1.0, False, 0.8),
        (0.0, 1.0, True, -1.0),
    ],
)
def test_a_ratio_is_clipped_where_it_has_gone_far_enough(log_ratio, advantage, moves, expected):
    ratio = table([[log_ratio]]).requires_grad_()
    loss = rloo.rloo_loss(ratio, table([[advantage]]), epsilon=0.2)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected)
    assert bool(ratio.grad.abs() > 0) == moves


def test_the_upper_bound_may_be_its_own():
    high = rloo.rloo_loss(table([[math.log(1.5)]]), table([[1.0]]), epsilon=0.2, epsilon_high=0.3)
    assert high.item() == pytest.approx(-1.3)


def test_shares_of_clipped_ratios():
    old = [[0.0, 0.0, 0.0, 0.0]]
    scores = [[math.log(1.5), math.log(0.5), 0.0, math.log(0.5)]]
    of = batch(scores, drawn([[0.0] * 4], old=table(old), advantages=table([[1.0, -1.0, 1.0, 1.0]])))
    metrics = rloo.losses(of, Options(num_generations=4, beta=0.0)).metrics
    shares = [metrics[f"clip_ratio/{name}_mean"].item() for name in ("low", "high", "region")]
    assert shares == [0.25, 0.25, 0.5]


def test_masked_truncated_completions_teach_nothing_but_stay_in_the_baseline():
    rewards, cut = [[3.0, 0.0, 6.0]], [[False, False, True]]
    of = batch([[-1.0, -2.0, -3.0]], drawn(rewards, cut), [[0.0, 0.0, 0.0]], tokens=5)
    options = Options(num_generations=3, beta=0.5, mask_truncated_completions=True)
    returns = table([[3.0 + 0.5, 0.0 + 1.0, 6.0]])
    expected = -rloo.leave_one_out(returns) / 3
    expected[0, 2] = 0.0
    assert torch.allclose(gradient(of, options), expected)
    found = rloo.losses(of, options)
    assert found.metrics["kl"].item() == pytest.approx((-1.0 - 2.0) / 10)
    assert found.metrics["completions/clipped_ratio"].item() == pytest.approx(1 / 3)
    assert found.metrics["reward"].item() == 3.0


def test_a_missing_end_costs_its_penalty_and_rewards_are_clipped_after_it():
    known = drawn([[5.0, 5.0]], [[False, True]])
    old = table([[0.0, 0.0]])
    assert rloo.advantages(known, old, None, Options(beta=0.0, missing_eos_penalty=2.0)).tolist() == [[2.0, -2.0]]
    clipped = Options(beta=0.0, missing_eos_penalty=2.0, reward_clip_range=(0.0, 4.0))
    assert rloo.advantages(known, old, None, clipped).tolist() == [[1.0, -1.0]]


def test_normalised_advantages_have_mean_zero_and_deviation_one():
    rewards = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).tolist()
    old = torch.zeros(6, 3, dtype=torch.float64)
    found = rloo.advantages(drawn(rewards), old, None, Options(num_generations=3, beta=0.0, normalize_advantages=True))
    plain = rloo.advantages(drawn(rewards), old, None, Options(num_generations=3, beta=0.0))
    assert found.mean().item() == pytest.approx(0.0, abs=1e-9)
    assert found.std().item() == pytest.approx(1.0, abs=1e-3)
    assert torch.allclose(found * (plain.std() + 1e-4), plain)


def test_siblings_with_equal_returns_are_counted():
    of = batch([[-1.0, -2.0], [-1.0, -2.0]], drawn([[1.0, 1.0], [1.0, 2.0]]))
    assert rloo.losses(of, Options(beta=0.0)).metrics["frac_reward_zero_std"].tolist() == [1.0, 0.0]


def test_what_is_missing_is_refused():
    with pytest.raises(ValueError, match="a reward judged"):
        rloo.losses(
            Batch(scores=table([[0.0, 0.0]]), reference=None, tokens=torch.ones(1, 2, dtype=torch.long)), Options()
        )
    with pytest.raises(ValueError, match="reference's log-probabilities"):
        rloo.losses(batch([[-1.0, -2.0]], drawn([[1.0, 0.0]])), Options(beta=0.1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_generations", 1),
        ("beta", -0.1),
        ("temperature", 0.0),
        ("top_p", 0.0),
        ("top_k", -1),
        ("max_completion_length", 0),
        ("num_iterations", 0),
        ("epsilon", 1.0),
        ("epsilon_high", 0.0),
        ("missing_eos_penalty", -1.0),
        ("reward_clip_range", (1.0, 1.0)),
        ("vllm_server_base_url", "localhost:8000"),
        ("vllm_server_base_url", "http://host:80x0"),
        ("vllm_server_base_url", "http://[::1"),
    ],
)
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Options(**{name: value})
