import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.engine import targets
from pluralign.engine.head import find_head
from pluralign.engine.logprobs import logprobs
from pluralign.records.fork import Fork

ARCHITECTURES = ["gpt2", "gpt_neox", "llama", "qwen2", "gemma2", "mistral", "cohere", "granite"]
TOLERANCE = {"gemma2": 1e-5, "cohere": 1e-5}
"""Where transformers computes a part (eager softmax, layer norms) in float32 even for a float64 model; else 1e-9.

Of gradients more so: root-mean-square norms round to float32 too (`test_attention` computes them in float64).
"""

token = st.integers(0, 260)
ids = st.lists(token, min_size=1, max_size=14).map(tuple)
parts = st.lists(st.tuples(ids, st.lists(ids, min_size=1, max_size=4).map(tuple)), min_size=1, max_size=5)


def plain(model, fork):
    """One completion at a time, from nothing but the model's own logits."""
    values = []
    for completion in fork.completions:
        whole = torch.tensor([fork.prompt + completion])
        table = torch.log_softmax(model(input_ids=whole).logits[0].double(), dim=-1)
        places = range(len(fork.prompt), whole.shape[1])
        values.append(sum(table[place - 1, whole[0, place]] for place in places))
    return torch.stack(values)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exact(request, tiny):
    return tiny.make_model(request.param, dtype=torch.float64)


@pytest.fixture(scope="module")
def llama(tiny):
    return tiny.make_model("llama", dtype=torch.float64)


@settings(max_examples=12, deadline=None)
@given(parts=parts)
def test_batches_equal_one_by_one(exact, parts):
    forks = [Fork(*part) for part in parts]
    with torch.no_grad():
        found = logprobs(exact, forks, token_budget=64)
        expected = torch.cat([plain(exact, fork) for fork in forks])
    tolerance = TOLERANCE.get(exact.config.model_type, 1e-9)
    torch.testing.assert_close(found.values, expected, rtol=0, atol=tolerance)
    assert found.sizes == tuple(len(fork.completions) for fork in forks)
    assert found.tokens.tolist() == [len(completion) for fork in forks for completion in fork.completions]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float32_stays_within_a_ten_thousandth(tiny, architecture):
    model = tiny.make_model(architecture, seed=3)
    several = [Fork((1, 2, 3), ((4, 5), tuple(range(9, 60)), (7,))), Fork((8,), ((3, 3, 3),))]
    with torch.no_grad():
        found = logprobs(model, several).values
        expected = torch.cat([plain(model, fork) for fork in several])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_equal_those_of_the_plain_way(tiny, architecture, monkeypatch):
    monkeypatch.setattr(targets, "CHUNK_LOGITS", 272 * 3)
    model = tiny.make_model(architecture, dtype=torch.float64)
    several = [Fork((1, 2, 3), ((4, 5, 6, 7, 8, 9, 10), (7,))), Fork((8, 9), ((3, 3), (2,)))]
    logprobs(model, several, token_budget=12).values.square().sum().backward()
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    torch.cat([plain(model, fork) for fork in several]).square().sum().backward()
    tolerance = 1e-9 if architecture in ("gpt2", "gpt_neox") else 1e-4
    for ours, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=tolerance, atol=tolerance)


@settings(max_examples=10, deadline=None)
@given(parts=parts, budget=st.integers(1, 400))
def test_the_token_budget_changes_nothing(llama, parts, budget):
    forks = [Fork(*part) for part in parts]
    with torch.no_grad():
        torch.testing.assert_close(
            logprobs(llama, forks, token_budget=budget).values, logprobs(llama, forks).values, rtol=0, atol=1e-10
        )


def test_permuting_completions_and_forks_permutes_results(llama):
    first, second = Fork((1, 2), ((3,), (4, 5), (6, 7, 8))), Fork((9,), ((1, 1), (2,), (3, 3, 3, 3)))
    turned = [Fork(fork.prompt, fork.completions[::-1]) for fork in (second, first)]
    with torch.no_grad():
        table, back = logprobs(llama, [first, second]).table(), logprobs(llama, turned).table()
    torch.testing.assert_close(table.flip(0).flip(1), back, rtol=0, atol=1e-10)


def test_probabilities_of_all_single_tokens_sum_to_one(llama):
    everything = Fork((5, 6), tuple((token,) for token in range(272)))
    with torch.no_grad():
        total = logprobs(llama, [everything]).values.exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0, dtype=torch.float64), rtol=0, atol=1e-9)


def test_ragged_forks_split_but_make_no_table(llama):
    with torch.no_grad():
        scores = logprobs(llama, [Fork((1,), ((2,), (3,))), Fork((1,), ((2, 3),))])
    assert [values.shape[0] for values, _ in scores.split()] == [2, 1]
    with pytest.raises(ValueError, match="do not make one table"):
        scores.table()


def test_a_model_that_does_more_to_its_logits_keeps_its_own_way(tiny):
    model = tiny.make_model("gemma2", dtype=torch.float64)
    assert find_head(model) is not None
    hidden_cap = tiny.make_model("gemma2", dtype=torch.float64)
    own = hidden_cap.forward

    def forward(*inputs, **named):
        output = own(*inputs, **named)
        output.logits = 3 * torch.tanh(output.logits / 3)
        return output

    hidden_cap.forward = forward
    assert find_head(hidden_cap) is None
    fork = Fork((1, 2), ((3, 4), (5,)))
    with torch.no_grad():
        torch.testing.assert_close(logprobs(hidden_cap, [fork]).values, plain(hidden_cap, fork), rtol=0, atol=1e-9)


def test_the_probe_leaves_the_training_mode_as_it_was(tiny):
    model = tiny.make_model("gpt2").train()
    model.transformer.h[0].eval()
    before = [module.training for module in model.modules()]
    assert find_head(model) is not None
    assert [module.training for module in model.modules()] == before
