import math
import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pluralign.records.training import Training
from pluralign.train import order
from pluralign.train.optimiser import clip, learning_rate, make_optimiser
from pluralign.train.order import choose, count_steps, seed_of

schedules = st.sampled_from(["linear", "cosine", "constant"])


@given(total=st.integers(1, 200), warmup=st.floats(0, 1), schedule=schedules)
def test_the_rate_rises_then_never_rises_again(total, warmup, schedule):
    training = Training(learning_rate=0.5, warmup_ratio=warmup, lr_scheduler_type=schedule)
    rates = [learning_rate(step, total, training) for step in range(1, total + 1)]
    rise = math.ceil(warmup * total)
    assert all(0 < rate <= 0.5 for rate in rates)
    assert all(later > earlier for earlier, later in pairwise(rates[:rise]))
    assert all(later <= earlier for earlier, later in pairwise(rates[rise:]))
    assert rates[max(rise - 1, 0)] == pytest.approx(0.5)


def test_half_way_through_both_falls_stand_at_half():
    for schedule in ("linear", "cosine"):
        training = Training(learning_rate=1.0, warmup_ratio=0.0, lr_scheduler_type=schedule)
        assert learning_rate(51, 100, training) == pytest.approx(0.5)


@given(examples=st.integers(1, 60), batch=st.integers(1, 20), epochs=st.integers(1, 3), seed=st.integers(0, 9))
def test_every_epoch_sees_every_example_once(examples, batch, epochs, seed):
    training = Training(batch_size=batch, num_train_epochs=float(epochs))
    total = count_steps(examples, training)
    per_epoch = total // epochs
    for epoch in range(epochs):
        of_epoch = range(epoch * per_epoch + 1, (epoch + 1) * per_epoch + 1)
        chosen = [choose(step, examples, batch_size=batch, seed=seed) for step in of_epoch]
        assert sorted(index for part in chosen for index in part) == list(range(examples))
        assert all(len(part) <= batch for part in chosen)


def test_an_epoch_is_shuffled_once_however_many_steps_it_has(monkeypatch):
    shuffled = []

    class Shuffling(random.Random):
        def shuffle(self, x):
            shuffled.append(len(x))
            super().shuffle(x)

    monkeypatch.setattr(order.random, "Random", Shuffling)
    for step in range(1, 21):
        choose(step, 97, batch_size=10, seed=123)
    assert shuffled == [97, 97]


def test_chance_at_a_step_follows_from_seed_and_step():
    drawn = {seed_of(step, seed=seed) for step in range(20) for seed in range(20)}
    assert len(drawn) == 400
    assert seed_of(3, seed=5) == seed_of(3, seed=5)


def test_max_steps_ends_earlier_only():
    assert count_steps(100, Training(batch_size=10, max_steps=3)) == 3
    assert count_steps(100, Training(batch_size=10, max_steps=30)) == 10


def test_norms_and_biases_do_not_decay():
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    model[0].bias.requires_grad_(False)
    groups = make_optimiser(model, Training(weight_decay=0.3)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.3, 1), (0.0, 2)]


def test_the_fused_form_is_used_where_the_device_has_one():
    model = nn.Linear(3, 1)
    assert make_optimiser(model, Training()).defaults["fused"]
    assert not make_optimiser(model.to("meta"), Training()).defaults["fused"]


@given(size=st.floats(0.01, 100), bound=st.floats(0, 10))
def test_clipping_bounds_the_norm_and_zero_means_never(size, bound):
    model = nn.Linear(4, 1, bias=False)
    model.weight.grad = torch.full((1, 4), size / 2)
    assert clip(model, bound) == pytest.approx(size, rel=1e-5)
    after = model.weight.grad.norm().item()
    assert after == pytest.approx(min(size, bound) if bound > 0 else size, rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [{"learning_rate": 0.0}, {"batch_size": 0}, {"max_steps": 0}, {"warmup_ratio": 1.5}, {"max_length": 1}],
)
def test_training_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Training(**options)
