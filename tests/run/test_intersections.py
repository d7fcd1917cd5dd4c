"""Intersections: what a run file may name, which cells are shown, and what of the others gets out."""

from dataclasses import replace
from math import isnan

import pytest

from pluralign.errors import InputError
from pluralign.records.findings import Audit
from pluralign.records.item import Item
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.stage import Stage
from pluralign.run.intersections import cell_codes, in_cells, intersect, told_empty, told_of
from pluralign.stats.audit import estimate
from pluralign.stats.table import Table, TableBuilder

SIZES = {("sw", "f"): 40, ("sw", "m"): 30, ("de", "f"): 29, ("de", "m"): 60, ("fr", "f"): 50, ("fr", "m"): 31}


def items(sizes: dict[tuple[str, str], int] = SIZES, per_cluster: int = 1) -> list[Item]:
    return [
        Item(
            id=f"{language}-{gender}-{number}",
            asks=(),
            slices={"language": language, "gender": gender},
            cluster=f"{language}-{gender}-{number // per_cluster}",
        )
        for (language, gender), size in sizes.items()
        for number in range(size * per_cluster)
    ]


def test_cells_are_counted_by_clusters() -> None:
    (found,) = intersect([["language", "gender"]], items(per_cluster=2), "run.toml")
    assert found.name == "language*gender"
    assert set(found.cells) == {"sw*f", "sw*m", "de*m", "fr*f", "fr*m"}
    assert found.suppressed == ("de*f",)
    assert told_of([found]) == ["language*gender: 1 of 6 cells have fewer than 30 clusters and no numbers (de*f)"]
    few, *_ = intersect([["language", "gender"]], items(dict.fromkeys(SIZES, 29), per_cluster=2), "run.toml")
    assert not few.cells, "58 items in 29 clusters"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([["language", "gendr"]], 'did you mean "gender"'),
        ([["language"]], "two different slices"),
        ([["gender", "gender"]], "two different slices"),
        ([["gender", "language"], ["gender", "language"]], "there twice"),
        ([["gender", "language"], ["language", "gender"]], "there twice"),
    ],
)
def test_faults_are_refused(wanted: list[list[str]], said: str) -> None:
    with pytest.raises(InputError, match=r"^run.toml: intersections: ") as refused:
        intersect(wanted, items(), "run.toml")
    assert said in str(refused.value)


def test_cells_of_one_name_are_refused() -> None:
    same = items({("a*b", "c"): 30, ("a", "b*c"): 30})
    with pytest.raises(InputError, match="one name twice"):
        intersect([["language", "gender"]], same, "run.toml")


def a_table(crossed: tuple, given: list[Item], slice: str | None = None, wrong_every: int = 3) -> Table:
    builder = TableBuilder()
    for place, item in enumerate(given):
        reading = Reading(measure="accuracy", value=float(place % wrong_every > 0), slice=slice)
        builder.add("reading", Stage(name="base", kind="base"), in_cells(item, crossed), reading)
    return builder.build()


@pytest.fixture
def crossed() -> tuple:
    return intersect([["language", "gender"]], items(), "run.toml")


def an_audit(crossed: tuple) -> Audit:
    codes = cell_codes(crossed, {("language", "sw"): "swh"})
    measures = {"accuracy": Measure("right answers")}
    return Audit(name="reading", uses="x", description="", measures=measures, codes=codes, intersections=crossed)


def test_readings_of_small_cells_stay_out_of_the_intersection(crossed: tuple) -> None:
    table = a_table(crossed, items())
    assert len(table) == 3 * 240 - 29
    assert ("language*gender", "de*f") not in table.groups("reading")
    assert ("language*gender", "de*m") in table.groups("reading")


def test_estimates_are_raw_and_shrunk_and_small_cells_say_nothing(crossed: tuple) -> None:
    rows = {row.group: row for row in estimate(a_table(crossed, items()), an_audit(crossed)) if "*" in row.slice}
    assert set(rows) == {"sw*f", "sw*m", "de*f", "de*m", "fr*f", "fr*m", "all"}
    small = rows["de*f"]
    assert (small.suppressed, small.n, small.clusters, small.missing) == ("<30", None, None, None)
    assert all(map(isnan, (small.value, small.low, small.high, small.shrunk, small.gap)))
    shown = rows["sw*f"]
    assert (shown.code, shown.clusters, shown.shrunk_to, shown.suppressed) == ("swh*f", 40, "mean", "")
    assert shown.shrunk_low < shown.shrunk < shown.shrunk_high
    centre = sum(row.value for name, row in rows.items() if name not in ("de*f", "all")) / 5
    assert abs(shown.shrunk - centre) <= abs(shown.value - centre) + 0.01
    assert isnan(rows["all"].shrunk)


def test_shrunk_bounds_are_possible_values(crossed: tuple) -> None:
    table = a_table(crossed, items(), wrong_every=23)
    rows = [row for row in estimate(table, an_audit(crossed)) if not isnan(row.shrunk)]
    assert rows
    assert max(row.shrunk_high for row in rows) == 1.0, "a cell with one error has bounds about its value"
    assert all(0 <= row.shrunk_low <= row.shrunk <= row.shrunk_high <= 1 for row in rows)


def test_other_slices_are_as_without_intersections(crossed: tuple) -> None:
    audit = an_audit(crossed)
    within = [row for row in estimate(a_table(crossed, items()), audit) if "*" not in row.slice]
    without = estimate(a_table((), items()), replace(audit, intersections=()))
    assert list(map(repr, within)) == list(map(repr, without))


def test_readings_that_name_their_slice_are_told_of(crossed: tuple) -> None:
    table = a_table(crossed, items(), slice="language")
    assert told_empty("reading", crossed, table) == [
        "reading: no reading counts for language*gender; this audit says itself which group a reading is of."
    ]
    assert told_empty("reading", crossed, a_table(crossed, items())) == []
