"""The run file that a command line stands for says the same as the command line, and reads back as it was meant."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from pluralign.run.draft import Draft, Request, draft
from pluralign.run.shortcut import choose_path

TABLES = st.recursive(
    st.one_of(
        st.booleans(), st.integers(-(2**60), 2**60), st.text(st.characters(codec="utf-8", categories=["L", "N"]))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)),
    max_leaves=8,
)


def of(*models: str, audits: str = "belebele", **more) -> Draft:
    return draft(Request(models=models, audits=audits, **more))


def test_each_model_stands_on_the_one_before():
    found = of("base=a/b", "sft=a/c@main", "dpo=a/d").table
    assert found["base"] == "a/b"
    assert found["stage"] == [
        {"name": "sft", "model": "a/c@main", "from": "base"},
        {"name": "dpo", "model": "a/d", "from": "sft"},
    ]


def test_audits_ask_the_data_that_come_with_them():
    hub = of("base=a/b", audits="belebele, tydiqa").table["audit"]
    assert [(part["uses"], part["rows"]) for part in hub] == [
        ("belebele", "facebook/belebele/data"),
        ("tydiqa", "google-research-datasets/tydiqa:secondary_task"),
    ]
    sandbox = of("base=sandbox", audits="belebele,preferences").table["audit"]
    assert [part["rows"] for part in sandbox] == ["sandbox", "sandbox"]


def test_settings_stand_in_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text("", encoding="utf-8")
    settings = ("belebele.formulation=answers", "seed=7", "tydiqa.rows=mine.jsonl", "belebele.limit=3")
    found = of("base=a/b", audits="belebele,tydiqa", limit=9, dtype="bfloat16", settings=settings).table
    belebele, tydiqa = found["audit"]
    assert (found["seed"], found["dtype"], belebele["formulation"]) == (7, "bfloat16", "answers")
    assert (belebele["limit"], tydiqa["limit"]) == (3, 9)
    assert tydiqa["rows"] == str(tmp_path / "mine.jsonl")


@settings(deadline=None)
@given(TABLES)
def test_any_option_reads_back_as_it_was_meant(value):
    from pluralign.run.draft import _text

    table = {"title": "t", "base": "a/b", "stage": [{"name": "s", "x": value}], "audit": [{"uses": "u", "y": value}]}
    assert tomllib.loads(_text(table, ["What it asks.\n# Twice."])) == table


def test_names_of_files_come_from_the_models():
    assert of("base=a/Big-1.5", "tuned=b/Big-1.5-Chat@v2").name == "Big-1.5_Big-1.5-Chat"
    assert of("base=sandbox").name == "sandbox"


def test_a_file_is_never_lost(tmp_path):
    first, longer, other = (
        of("base=a/b", limit=limit, dtype=dtype) for limit, dtype in ((5, None), (9, None), (5, "bfloat16"))
    )
    path, said = choose_path(first, tmp_path, None)
    assert (path, said) == (tmp_path / "b.toml", "written")
    path.write_text(first.text, encoding="utf-8")
    assert choose_path(first, tmp_path, None) == (path, "there already, the same")
    assert choose_path(longer, tmp_path, None) == (path, "there already, its limit changed")
    assert choose_path(of("base=a/b"), tmp_path, None) == (path, "there already, its limit changed")
    assert choose_path(other, tmp_path, None) == (tmp_path / "b-2.toml", "written")
    path.write_text(first.text + "# my own words\n", encoding="utf-8")
    assert choose_path(first, tmp_path, None)[0] == tmp_path / "b-2.toml"
    (tmp_path / "b-2").mkdir()
    assert choose_path(first, tmp_path, None)[0] == tmp_path / "b-3.toml"
