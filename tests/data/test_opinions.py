"""What people answered, from rows as the hub has them."""

from typing import Any

import pytest

from pluralign.data.opinions import read_opinions
from pluralign.errors import InputError

ROW: dict[str, Any] = {
    "question": "Is it good?",
    "options": "['Good', 'Bad', 'DK/Refused']",
    "selections": "defaultdict(<class 'list'>, {'Belgium': [0.21, 0.7, 0.09], 'U.S.': [1, 0, 0]})",
    "source": "GAS",
}


def test_the_hubs_own_spelling_is_read() -> None:
    opinions = read_opinions(ROW, 1)
    assert opinions.options == ("Good", "Bad", "DK/Refused")
    assert opinions.names == ("Belgium", "U.S.")
    assert opinions.people == {"Belgium": (0.21, 0.7, 0.09), "U.S.": (1.0, 0.0, 0.0)}


def test_plain_values_are_read_as_well() -> None:
    plain = {"question": "?", "options": [1, "Bad"], "selections": {"Mali": [0.5, 0.5]}}
    opinions = read_opinions(plain, 1)
    assert (opinions.options, opinions.people) == (("1", "Bad"), {"Mali": (0.5, 0.5)})


def test_recorded_rows_name_who_answered() -> None:
    opinions = read_opinions({"question": "?", "options": ["a", "b"], "answered": "['Mali', 'India']"}, 1)
    assert (opinions.names, opinions.people) == (("Mali", "India"), None)


def test_shares_that_do_not_fit_the_options_are_left_out() -> None:
    opinions = read_opinions(ROW | {"selections": {"Mali": [0.5, 0.5], "U.S.": [1, 0, 0]}}, 1)
    assert opinions.names == ("Mali", "U.S.")
    assert opinions.people == {"U.S.": (1.0, 0.0, 0.0)}


def test_a_question_that_is_not_told_is_empty() -> None:
    assert read_opinions(ROW | {"question": None}, 1).question == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"selections": "defaultdict(<class 'list'>, {'Mali': [exit()]})"},
            'row 4: column "selections" is "?.defaultd',
        ),
        ({"selections": "[0.5]"}, "it must give each country its shares"),
        ({"selections": {"Mali": "0.5"}}, "gives \"Mali\" '0.5'; it must be a list of shares"),
        ({"selections": {"Mali": [-0.5, 1.5]}}, r'row 4: column "selections" gives "Mali" \[-0.5, 1.5\]; no share is'),
        ({"selections": {"Mali": [float("inf"), 0]}}, "below 0 or infinite"),
        ({"options": "Good"}, 'column "options" is .Good.'),
        ({"options": "{'Good': 1}"}, "it must be a list of texts"),
        ({"question": 3.5}, 'column "question"'),
    ],
)
def test_what_is_unfit_is_refused_by_row_and_column(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_opinions(ROW | change, 4)


@pytest.mark.parametrize("column", ["question", "options", "selections"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(InputError, match=f'row 2: no column "{column}"'):
        read_opinions({name: value for name, value in ROW.items() if name != column}, 2)
