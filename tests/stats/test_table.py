"""The table of readings keeps what was appended, and a view keeps what it was asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.records.item import Item, Write
from pluralign.records.reading import Reading
from pluralign.records.stage import Stage
from pluralign.stats.table import NO_STEP, TEXTS, TableBuilder

words = st.sampled_from(["a", "b", "ü", ""])
rows = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(TEXTS, words)
        | {
            "seed": st.integers(0, 3),
            "step": st.none() | st.integers(0, 5),
            "value": st.floats(allow_infinity=False),
        }
    ),
    max_size=20,
)

ITEM = Item(id="i", asks=(Write(prompt="?", max_tokens=1),), slices={"language": "de", "topic": "maths"}, cluster="c")
STAGE = Stage(name="dpo", kind="policy", seed=2, step=40)


@given(rows)
@settings(deadline=None)
def test_columns_hold_what_was_appended(given_rows: list[dict[str, object]]) -> None:
    builder = TableBuilder()
    for row in given_rows:
        builder.append(**row)  # pyright: ignore[reportArgumentType]
    table = builder.build()
    assert len(table) == len(builder) == len(given_rows)
    for name in TEXTS:
        assert getattr(table, name).texts() == [row[name] for row in given_rows]
    assert table.seed.tolist() == [row["seed"] for row in given_rows]
    assert table.step.tolist() == [NO_STEP if row["step"] is None else row["step"] for row in given_rows]
    np.testing.assert_array_equal(table.value, np.array([row["value"] for row in given_rows], float))


@given(rows, words, words)
@settings(deadline=None)
def test_a_view_holds_one_measure_of_one_audit(given_rows: list[dict[str, object]], audit: str, measure: str) -> None:
    builder = TableBuilder()
    for row in given_rows:
        builder.append(**row)  # pyright: ignore[reportArgumentType]
    view = builder.build().view(audit, measure)
    kept = [row for row in given_rows if row["audit"] == audit and row["measure"] == measure]
    assert view.item.texts() == [row["item"] for row in kept]


def test_a_reading_counts_for_every_slice_of_its_item() -> None:
    builder = TableBuilder()
    builder.add("reading", STAGE, ITEM, Reading(measure="accuracy", value=1.0))
    table = builder.build()
    assert list(zip(table.slice.texts(), table.group.texts(), strict=True)) == [("language", "de"), ("topic", "maths")]
    assert table.stage.texts() == ["dpo", "dpo"]
    assert table.seed.tolist() == [2, 2]
    assert table.step.tolist() == [40, 40]
    assert table.cluster.texts() == ["c", "c"]


def test_a_reading_that_names_its_slice_counts_there_only() -> None:
    builder = TableBuilder()
    builder.add("opinions", STAGE, ITEM, Reading(measure="similarity", value=0.5, slice="country", group="DEU"))
    builder.add("opinions", STAGE, ITEM, Reading(measure="similarity", value=0.5, slice="topic"))
    table = builder.build()
    assert list(zip(table.slice.texts(), table.group.texts(), strict=True)) == [("country", "DEU"), ("topic", "maths")]


@pytest.mark.parametrize("fields", [{"group": "de"}, {"slice": "dialect"}])
def test_a_reading_for_nobody_in_particular_is_refused(fields: dict[str, str]) -> None:
    reading = replace(Reading(measure="accuracy", value=1.0), **fields)
    with pytest.raises(ValueError, match='item "i"'):
        TableBuilder().add("reading", STAGE, ITEM, reading)


def test_a_seed_may_be_larger_than_32_bits() -> None:
    builder = TableBuilder()
    builder.add("reading", replace(STAGE, seed=3_000_000_000), ITEM, Reading(measure="accuracy", value=1.0))
    assert builder.build().seed.tolist() == [3_000_000_000] * 2


def test_the_groups_of_an_audit_come_with_their_slices() -> None:
    builder = TableBuilder()
    builder.add("opinions", STAGE, ITEM, Reading(measure="similarity", value=0.5, slice="country", group="de"))
    builder.add("opinions", STAGE, ITEM, Reading(measure="similarity", value=0.5))
    builder.add("reading", STAGE, ITEM, Reading(measure="accuracy", value=0.5, slice="country", group="FRA"))
    assert builder.build().groups("opinions") == [("country", "de"), ("language", "de"), ("topic", "maths")]
    assert builder.build().groups("strange") == []
