"""Tables of every format give the same rows; damage is named with file and line."""

import csv
import gzip
import json
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from pluralign.data import rows
from pluralign.data.files import SUFFIXES
from pluralign.errors import InputError

ROWS = [
    {"prompt": 'Say "hello",\nthen stop', "chosen": "हैलो", "rejected": "NA"},
    {"prompt": "two", "chosen": "nan", "rejected": "no"},
]


def read(path: Path) -> list[dict[str, object]]:
    return [dict(row) for row in rows.read(str(path), sandbox="", beside=path.parent, place="here").rows]


def write_csv(path: Path, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "a.tsv", "\t")
    (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=2), encoding="utf-8")
    for suffix in SUFFIXES:
        assert read(tmp_path / f"a{suffix}") == ROWS
        if suffix != ".parquet":
            compressed = tmp_path / f"a{suffix}.gz"
            compressed.write_bytes(gzip.compress((tmp_path / f"a{suffix}").read_bytes()))
            assert read(compressed) == ROWS
    (tmp_path / "lines.json").write_bytes((tmp_path / "a.jsonl").read_bytes())
    assert read(tmp_path / "lines.json") == ROWS, "some data sets call JSON Lines so"


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv")
    before = rows.read(str(path), sandbox="", beside=tmp_path, place="here").fingerprint
    path.write_text(path.read_text(encoding="utf-8") + "three,yes,no\n", encoding="utf-8")
    assert rows.read(str(path), sandbox="", beside=tmp_path, place="here").fingerprint != before


@pytest.mark.parametrize("cut", [3, 20])
def test_a_torn_jsonl_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS))[:-cut], encoding="utf-8")
    with pytest.raises(InputError, match=r"torn\.jsonl, line 2: not JSON .* is it torn\?"):
        read(path)


def test_a_torn_csv_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "torn.csv")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b",")])
    with pytest.raises(
        InputError, match=r"torn\.csv, line 4: 2 fields where the header names 3; is the last line torn"
    ):
        read(path)
    path.write_bytes(whole[: whole.index(b"then")])
    with pytest.raises(InputError, match=r"torn\.csv, line \d+: .*torn"):
        read(path)


def test_a_quotation_that_goes_wrong_is_named_with_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"2\n2"\n3,"x"y\n5,6\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.csv, line 4: .*expected after"):
        read(path)


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,chosen,chosen\na,b,c\n", encoding="utf-8")
    with pytest.raises(InputError, match=r'a\.csv, line 1: 2 columns are called "chosen"; rename all but one'):
        read(path)


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_csv_torn_inside_its_last_field_is_named(tmp_path: Path, delimiter: str) -> None:
    path = write_csv(tmp_path / ("torn.csv" if delimiter == "," else "torn.tsv"), delimiter)
    whole = path.read_bytes()
    for end in range(len(whole) - 3, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"torn\.[ct]sv has no line end after its last row; is it torn\?"):
            read(path)


def test_a_header_alone_gives_no_rows_and_a_torn_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,chosen\n")
    assert read(path) == []
    path.write_text("prompt,cho")
    with pytest.raises(InputError, match="no line end"):
        read(path)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What was asked of the hub, which has one data set of two splits."""
    asked: list[tuple[object, ...]] = []

    def load(
        name: str, configuration: str | None, *, revision: str | None, data_dir: str | None = None
    ) -> datasets.DatasetDict:
        asked.append((name, configuration, revision, data_dir))
        if name == "lab/several" and configuration is None:
            raise ValueError(
                "Config name is missing.\nPlease pick one among the available configs: ['a', 'b']\nExample:"
            )
        own = [{"id": 1, "split": "mine"}] if name == "lab/own" else [{"id": 1}]
        return datasets.DatasetDict({split: datasets.Dataset.from_list(own) for split in ("train", "test")})

    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def from_hub(source: str) -> list[dict[str, object]]:
    return [dict(row) for row in rows.read(source, sandbox="", beside=Path(), place="here").rows]


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("lab/data", ("lab/data", None, None, None)),
        ("lab/data:easy", ("lab/data", "easy", None, None)),
        ("lab/data@v1", ("lab/data", None, "v1", None)),
        ("lab/data:easy@v1", ("lab/data", "easy", "v1", None)),
        ("lab/data/harmless", ("lab/data", None, None, "harmless")),
        ("lab/data/a/b:easy@refs/convert/parquet", ("lab/data", "easy", "refs/convert/parquet", "a/b")),
    ],
)
def test_a_hub_id_names_folder_configuration_and_revision(loaded: list, source: str, asked: tuple) -> None:
    assert from_hub(source) == [{"split": "train", "id": 1}, {"split": "test", "id": 1}]
    assert loaded == [asked]


@pytest.mark.usefixtures("loaded")
def test_a_split_of_the_rows_own_is_kept_and_a_missing_configuration_is_told() -> None:
    assert [row["split"] for row in from_hub("lab/own")] == ["mine", "mine"]
    with pytest.raises(InputError, match=r"available configs: \['a', 'b'\] \(write \"owner/name:config\"\)"):
        from_hub("lab/several")


def test_a_torn_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "torn.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"torn\.parquet: not a whole Parquet file"):
        read(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'here: there is no file "absent\.csv"'):
        rows.read("absent.csv", sandbox="", beside=tmp_path, place="here")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("voice.jsonl", "voices.jsonl"),
        ("voices.txt", "voices.jsonl"),
        ("./shard", "shards"),
        ("shards/trian.csv", "shards/train.csv"),
        ("notes.csv", None),
    ],
)
def test_an_absent_file_is_told_what_was_probably_meant(tmp_path: Path, given: str, meant: str | None) -> None:
    (tmp_path / "shards").mkdir()
    for name in ("voices.jsonl", "notes.md", "shards/train.csv"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        rows.read(given, sandbox="", beside=tmp_path, place="here")
    hint = "" if meant is None else f'; did you mean "{meant}"?'
    assert str(caught.value) == f'here: there is no file "{given}"{hint}'


def test_a_file_is_looked_for_beside_the_run_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "beside_only.csv")
    assert len(rows.read("beside_only.csv", sandbox="", beside=tmp_path, place="here").rows) == 2


@pytest.mark.usefixtures("loaded")
def test_one_split_of_the_hub_can_be_read_and_a_wrong_one_is_named() -> None:
    everything = rows.read("lab/data", sandbox="", beside=Path(), place="here")
    found = everything.only("test", "here")
    assert [dict(row) for row in found.rows] == [{"split": "test", "id": 1}]
    with pytest.raises(InputError, match='here: lab/data: unknown split "tset"; did you mean "test"'):
        everything.only("tset", "here")


def test_a_data_set_made_by_a_script_is_told_where_its_copy_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*given: object, **named: object) -> None:
        raise RuntimeError("Dataset scripts are no longer supported, but found old.py")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(InputError, match="owner/name/CONFIG@refs/convert/parquet"):
        from_hub("lab/old")


def write_shards(folder: Path) -> Path:
    """Two shards of a split, one below a folder of its own, a second split, and what holds no rows."""
    (folder / "data").mkdir(parents=True)
    (folder / ".cache").mkdir()
    lines = [json.dumps({"id": number}) + "\n" for number in range(5)]
    (folder / "data" / "train-00000-of-00002.jsonl").write_text("".join(lines[:2]))
    (folder / "data" / "train-00001-of-00002.jsonl.gz").write_bytes(gzip.compress(lines[2].encode()))
    (folder / "test.jsonl").write_text("".join(lines[3:]))
    (folder / "README.md").write_text("# read me")
    (folder / ".cache" / "old.jsonl").write_text("{")
    return folder


def test_a_folder_is_all_its_shards_and_their_names_are_splits(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set")
    found = rows.read(str(folder), sandbox="", beside=tmp_path, place="here")
    assert [(row["split"], row["id"]) for row in found.rows] == [
        ("train", 0),
        ("train", 1),
        ("train", 2),
        ("test", 3),
        ("test", 4),
    ]
    only = found.only("test", "here")
    assert [row["id"] for row in only.rows] == [3, 4]
    moved = folder.rename(tmp_path / "elsewhere")
    assert rows.read(str(moved), sandbox="", beside=tmp_path, place="here").fingerprint == found.fingerprint
    (moved / "test.jsonl").write_text('{"id": 3}\n')
    assert rows.read(str(moved), sandbox="", beside=tmp_path, place="here").fingerprint != found.fingerprint


def test_a_complaint_about_a_row_names_its_shard(tmp_path: Path) -> None:
    found = rows.read(str(write_shards(tmp_path / "set")), sandbox="", beside=tmp_path, place="here")
    assert found.locate('row 3: no column "x"').endswith('train-00001-of-00002.jsonl.gz, row 1: no column "x"')
    assert found.locate("row 5: bad").endswith("test.jsonl, row 2: bad")
    assert found.locate("no rows") == f"{found.source}, no rows"
    test = found.only("test", "here")
    assert test.locate("row 2: bad").endswith("test.jsonl, row 2: bad"), "whatever stands in other splits"


def test_a_row_of_a_split_is_known_by_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"split": split}) + "\n" for split in ("train", "test", "train", "test")))
    train = rows.read(str(path), sandbox="", beside=tmp_path, place="here").only("train", "here")
    assert train.locate("row 2: bad") == f"{path}, row 3: bad"


def test_a_split_that_is_a_number_is_known_by_its_digits(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"split": 0}\n{"split": 1}\n')
    found = rows.read(str(tmp_path / "a.jsonl"), sandbox="", beside=tmp_path, place="here")
    assert found.only("1", "here").rows == ({"split": 1},)


def test_a_folder_without_rows_and_rows_without_a_split_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"here: the folder .* holds no file with rows"):
        read(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(InputError, match=r'split = "train", but no row of .*a\.jsonl has a column "split"'):
        rows.read(str(tmp_path / "a.jsonl"), sandbox="", beside=tmp_path, place="here").only("train", "here")


@pytest.mark.parametrize("name", ["torn.jsonl.gz", "torn.csv.gz", "torn.json.gz"])
def test_a_torn_compressed_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = gzip.compress("\n".join(map(json.dumps, ROWS * 50)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{name}.*torn"):
        read(path)


def test_a_file_of_an_unknown_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    path.touch()
    with pytest.raises(InputError, match=r'here: ".*rows.xlsx" ends in ".xlsx"; known: .csv, .tsv, .json'):
        read(path)
