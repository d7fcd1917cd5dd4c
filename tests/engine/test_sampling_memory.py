import pytest
import torch

from pluralign.engine.sampling import Sampling, sample, write

PROMPTS = [(1, 2, 3), (4,), tuple(range(20, 60)), (7, 8), (9, 10, 11, 12, 13), tuple(range(60, 75))]
WANTED = Sampling(max_tokens=9, num_generations=4)


@pytest.fixture(params=["llama", "mamba"])
def small(tiny, request):
    """A model that has memory for a few rows, or for a few tokens at once, and the sizes that it was asked for."""
    model = tiny.make_model(request.param, dtype=torch.float64)
    asked = []

    def measure(_module, inputs):
        rows, width = inputs[0].shape
        if rows > 5 or rows * width > 70:
            asked.append(rows)
            raise torch.OutOfMemoryError("no memory for so many")
        asked.append(0)

    model.get_input_embeddings().register_forward_pre_hook(measure)
    return model, asked


@pytest.mark.filterwarnings("ignore:.*only prompts of equal length")
def test_what_was_written_is_taken_up_again_with_half_the_memory(small, tiny):
    model, asked = small
    found = sample(model, tiny.make_tokenizer(), PROMPTS, list(range(6)), WANTED)
    whole = tiny.make_model(model.config.model_type, dtype=torch.float64)
    assert found == sample(whole, tiny.make_tokenizer(), PROMPTS, list(range(6)), WANTED)
    assert 1 <= sum(rows > 0 for rows in asked) <= 4


@pytest.mark.filterwarnings("ignore:.*only prompts of equal length")
def test_texts_that_were_given_stay_given(small, tiny):
    model, asked = small
    whole = tiny.make_model(model.config.model_type, dtype=torch.float64)
    expected = dict(write(whole, tiny.make_tokenizer(), PROMPTS * 3, max_tokens=4, token_budget=200))
    found = list(write(model, tiny.make_tokenizer(), PROMPTS * 3, max_tokens=4, token_budget=200))
    assert sorted(index for index, _ in found) == list(range(18))
    assert dict(found) == expected
    assert any(asked)


@pytest.mark.filterwarnings("ignore:.*only prompts of equal length")
@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
def test_what_cannot_be_cut_smaller_is_an_error(tiny, small, kind):
    model, _ = small
    text = "no memory" if kind is torch.OutOfMemoryError else "something else"

    def fail(_module, inputs):
        if inputs[0].shape[1] > 30:
            raise kind(text)

    model.get_input_embeddings().register_forward_pre_hook(fail)
    with pytest.raises(kind, match=text):
        list(write(model, tiny.make_tokenizer(), PROMPTS, max_tokens=4))
