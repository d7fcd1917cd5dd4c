"""A pair keeps whose preference it is; a row that lacks a column is named."""

import pytest

from pluralign.errors import InputError
from pluralign.sources.pairs import Options, load

ROW = {"prompt": "What do you call it?", "chosen": " torch", "rejected": " flashlight", "country": "India"}


def test_a_pair_keeps_whose_it_is() -> None:
    (pair,) = load([ROW | {"language": "en-IN", "prompt_id": 7}], Options(group="country"), "voices.csv")
    assert (pair.group, pair.language, pair.prompt_id, pair.source) == ("India", "en-IN", "7", "voices.csv")


def test_without_language_and_prompt_id_the_prompt_stands_for_itself() -> None:
    (pair,) = load([ROW], Options(group="country"), "voices.csv")
    assert (pair.language, pair.prompt_id) == ("und", ROW["prompt"])


def test_a_missing_column_is_named_with_its_row() -> None:
    with pytest.raises(InputError, match='row 2: no column "country"'):
        list(load([ROW, {"prompt": "a", "chosen": "b", "rejected": "c"}], Options(group="country"), "x"))


@pytest.mark.parametrize("value", [None, 1.5, True, ""])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(InputError, match='row 1: column "chosen"'):
        list(load([ROW | {"chosen": value}], Options(group="country"), "x"))
