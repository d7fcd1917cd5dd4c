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
    assert (opinions.names, dict(opinions.people)) == (("Mali", "India"), {})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"selections": "defaultdict(<class 'list'>, {'Mali': [exit()]})"},
            'row 4: column "selections" is "?.defaultd',
        ),
        ({"selections": "[0.5]"}, "it must give each country its shares"),
        ({"selections": {"Mali": "0.5"}}, "gives \"Mali\" '0.5'; it must be a list of shares"),
        ({"selections": {"Mali": [0.5, 0.5]}}, 'row 4: "Mali" has 2 shares for 3 options'),
        ({"options": "Good"}, 'column "options" is .Good.'),
        ({"options": "{'Good': 1}"}, "it must be a list of texts"),
        ({"question": None}, 'column "question"'),
    ],
)
def test_what_is_unfit_is_refused_by_row_and_column(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_opinions(ROW | change, 4)


@pytest.mark.parametrize("column", ["question", "options", "selections"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(InputError, match=f'row 2: no column "{column}"'):
        read_opinions({name: value for name, value in ROW.items() if name != column}, 2)
