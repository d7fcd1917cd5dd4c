from hypothesis import given
from hypothesis import strategies as st
from torch import device

from pluralign.engine.batches import batches, pad

lengths = st.lists(st.integers(1, 50), min_size=1, max_size=40)


@given(lengths=lengths, budget=st.integers(1, 300))
def test_every_sequence_once_and_under_the_budget(lengths, budget):
    planned = batches(lengths, budget)
    assert sorted(index for batch in planned for index in batch) == list(range(len(lengths)))
    for batch in planned:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(
    sequences=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5), left=st.booleans()
)
def test_padding_keeps_every_token_in_its_row(sequences, left):
    padded = pad(sequences, device("cpu"), left=left)
    for ids, mask, sequence in zip(padded.ids, padded.mask, sequences, strict=True):
        assert ids[mask].tolist() == sequence
        assert mask[-1 if left else 0]
