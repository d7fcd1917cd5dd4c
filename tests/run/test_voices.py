"""Data sets are read, mixed and split: groups are told apart, no prompt stands on both sides, nothing goes unsaid."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pluralign.data import rows
from pluralign.errors import InputError
from pluralign.run.parts import Voices
from pluralign.run.voices import check_completions, gather, notices, unused_margins
from pluralign.runfile.parts import RunFile
from pluralign.runfile.read import read

COUNT = 60


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def parse(tmp_path: Path):
    """Reads a run file beside three sets: plain questions of two groups, the same as dialogues, and texts."""
    plain = [
        {"prompt": f"Question {n}?", "chosen": " yes", "rejected": " no", "group": ("us", "india")[n % 2]}
        for n in range(COUNT)
    ]
    opening = "\n\nHuman: {prompt}\n\nAssistant:"
    dialogues = [
        {side: opening.format(**row) + row[side] for side in ("chosen", "rejected")} for row in plain[: COUNT // 2]
    ]
    write(tmp_path / "plain.jsonl", plain)
    write(tmp_path / "dialogues.jsonl", [*dialogues, {"chosen": dialogues[0]["chosen"], "rejected": "\n\nHuman: x"}])
    write(tmp_path / "texts.jsonl", [{"text": f"Text {n}."} for n in range(COUNT)])

    def parsed(text: str) -> RunFile:
        path = tmp_path / "run.toml"
        path.write_text('base = "sandbox"\n' + text, encoding="utf-8")
        return read(path)

    return parsed


PLAIN = '[data.plain]\nrows = "plain.jsonl"\nheld_out = 0.3\n'
TALK = '[data.talk]\nuses = "hh_rlhf"\nrows = "dialogues.jsonl"\nheld_out = 0.3\n'
BOTH = PLAIN + TALK + '[data.both]\nmix = ["plain", "talk"]\nheld_out = 0.3\n'
SHOWN = '[data.shown]\nuses = "demonstrations"\nrows = "texts.jsonl"\n'


def groups(voices: Voices) -> Counter[str]:
    return Counter(pair.group for pair in (*voices.train, *voices.held_out))


def test_each_set_of_a_mixture_is_a_group_or_keeps_its_own(parse) -> None:
    *_, both = gather(parse(BOTH))
    assert groups(both) == {"plain": COUNT, "talk": COUNT // 2}
    *_, own = gather(parse(BOTH + 'groups = "own"\n'))
    assert groups(own) == {"us": COUNT // 2, "india": COUNT // 2, "hh_rlhf": COUNT // 2}


def test_sets_of_a_mixture_are_drawn_from_as_groups_are(parse) -> None:
    *_, shared = gather(parse(BOTH + "shares = { plain = 1, talk = 1 }\n"))
    assert groups(shared) == {"plain": COUNT // 2, "talk": COUNT // 2}
    *_, even = gather(parse(BOTH + f"per_group = {COUNT}\nrepeat = true\n"))
    assert Counter(pair.group for pair in even.train) == {"plain": COUNT, "talk": COUNT}
    *_, every = gather(parse(BOTH))
    assert even.held_out == every.held_out, "what is held out does not depend on what is drawn"


def test_a_prompt_has_one_side_in_all_sets_and_every_dress(parse) -> None:
    voices = gather(parse(BOTH))
    for one in voices:
        assert one.held_out
        for other in voices:
            trained = {pair.prompt_id for pair in one.train}
            assert not trained & {pair.prompt_id for pair in other.held_out}
    assert {pair.prompt_id for pair in voices[1].train} <= {pair.prompt_id for pair in voices[0].train}


def test_what_is_left_out_and_what_is_on_both_sides_is_said(parse) -> None:
    file = parse(BOTH.replace("held_out = 0.3", "held_out = 0.0", 1))
    voices = gather(file)
    plain, talk, both = voices
    assert talk.left_out == {"the two dialogues share no prompt": 1}
    assert both.left_out == {"talk: the two dialogues share no prompt": 1}
    said = list(notices(file.data, voices))
    assert 'data "talk": left out: the two dialogues share no prompt (1).' in said
    overlap = f'data "plain" trains on {len(talk.held_out)} prompts that data "talk" holds out'
    assert any(overlap in each for each in said)
    assert not plain.held_out
    assert not any(each.startswith('data "both": left out') for each in said), "its sets say it"


def test_a_split_is_held_out_as_a_whole_and_its_prompts_are_trained_on_nowhere(parse, tmp_path: Path) -> None:
    rows = [{"prompt": f"Question {n}?", "chosen": "a", "rejected": "b", "group": "us"} for n in range(COUNT)]
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.jsonl", rows[: COUNT - 10])
    write(tmp_path / "set" / "test.jsonl", rows[COUNT - 20 :])
    own = '[data.own]\nrows = "set"\nsplit = "train"\nheld_out = "test"\n'
    mixed = own + PLAIN + '[data.both]\nmix = ["own", "plain"]\nheld_out = 0.0\n'
    one, _, both = gather(parse(mixed))
    assert (len(one.train), len(one.held_out)) == (COUNT - 20, 20)
    assert one.left_out == {"a prompt that the held-out split has as well": 10}
    assert Counter(pair.group for pair in both.held_out) == {"own": 20}
    assert Counter(pair.group for pair in both.train) == {"own": COUNT - 20, "plain": COUNT - 20}
    for voices in (one, both):
        assert not {pair.prompt_id for pair in voices.train} & {pair.prompt_id for pair in voices.held_out}
    with pytest.raises(InputError, match='data "own": held_out = "test" names a split; say with split'):
        gather(parse(own.replace('split = "train"\n', "")))
    with pytest.raises(InputError, match='unknown split "tset"; did you mean "test"'):
        gather(parse(own.replace('"test"', '"tset"')))


def test_a_key_says_by_which_source_rows_were_read(parse, tmp_path: Path) -> None:
    prompt = "\n\nHuman: Question {}?\n\nAssistant:"
    rows = [{"prompt": prompt.format(n), "chosen": " yes", "rejected": " no"} for n in range(COUNT)]
    write(tmp_path / "read_by_two.jsonl", rows)
    text = '[data.both]\nrows = "read_by_two.jsonl"\nuses = "{}"\n'
    (dialogues,), (questions,) = (gather(parse(text.format(uses))) for uses in ("hh_rlhf", "qa_feedback"))
    assert {pair.prompt for pair in dialogues.train} != {pair.prompt for pair in questions.train}
    assert dialogues.entry.key != questions.entry.key


OWN = """
from dataclasses import dataclass
from pathlib import Path
from pluralign.records.preference import Preference
VERSION = 1
@dataclass(frozen=True, kw_only=True)
class Options:
    names: Path
def load(rows, options, source):
    group = options.names.read_text()
    for row in rows:
        said = row["text"]
        yield Preference(prompt="", chosen=said, rejected="", group=group, prompt_id=said, source=source)
"""


def test_a_file_that_a_source_of_ones_own_reads_is_known_by_what_it_holds(parse, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    text = '[data.own]\nuses = "mine.py"\nrows = "texts.jsonl"\nnames = "{}"\n'

    def key(name: str, held: str) -> str:
        (tmp_path / name).write_text(held)
        (own,) = gather(parse(text.format(name)))
        assert groups(own) == {held: COUNT}, "it lies beside the run file"
        return own.entry.key

    assert key("names.txt", "us") == key("moved.txt", "us") != key("names.txt", "india")


def test_a_group_of_which_so_many_are_wanted_is_not_held_out_as_a_whole(parse, tmp_path: Path) -> None:
    few = [{"prompt": "Alone?", "chosen": "a", "rejected": "b", "group": "few"}]
    many = [{"prompt": f"Question {n}?", "chosen": "a", "rejected": "b", "group": "many"} for n in range(COUNT)]
    write(tmp_path / "uneven.jsonl", few + many)
    text = '[data.uneven]\nrows = "uneven.jsonl"\nper_group = 3\nrepeat = true\nheld_out = {}\n'
    (kept,) = gather(parse(text.format(0.1)))
    assert Counter(pair.group for pair in kept.train) == {"few": 3, "many": 3}
    with pytest.raises(InputError, match='data "uneven": per_group = 3, but every prompt of "few" is held out'):
        gather(parse(text.format(0.95)))


def test_a_row_of_a_split_is_named_by_its_file_which_is_read_once(
    parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    fine = {"prompt": "Question?", "chosen": "a", "rejected": "b", "group": "us"}
    write(tmp_path / "set" / "test.jsonl", [fine] * 3)
    write(tmp_path / "set" / "train.jsonl", [fine | {"prompt": "Another?"}, fine])
    text = '[data.own]\nrows = "set"\nsplit = "train"\nheld_out = "test"\n'
    opened: list[str] = []
    read_file = rows.read_file
    monkeypatch.setattr(rows, "read_file", lambda path, place: opened.append(path.name) or read_file(path, place))
    (own,) = gather(parse(text))
    assert (len(own.train), len(own.held_out), sorted(opened)) == (1, 3, ["test.jsonl", "train.jsonl"])
    write(tmp_path / "set" / "train.jsonl", [fine, fine | {"rejected": None}])
    with pytest.raises(InputError, match=r'data "own": .*set/train\.jsonl, row 2: column "rejected" is None'):
        gather(parse(text))


def test_a_key_follows_the_sets_that_are_mixed(parse, tmp_path: Path) -> None:
    first = [each.entry.key for each in gather(parse(BOTH))]
    assert len(set(first)) == 3
    assert [each.entry.key for each in gather(parse(BOTH + "temperature = 2.0\n"))][:2] == first[:2]
    assert gather(parse(BOTH + "temperature = 2.0\n"))[2].entry.key != first[2]
    turned = [each.entry.key for each in gather(parse(BOTH.replace('["plain", "talk"]', '["talk", "plain"]')))]
    assert turned[:2] == first[:2]
    assert turned[2] != first[2], "the order of the sets is the order of the pairs"
    shares = [
        gather(parse(BOTH + f"shares = {{ {both} }}\n"))[2] for both in ("plain = 1, talk = 1", "talk = 1, plain = 1")
    ]
    assert shares[0].entry.key != shares[1].entry.key, "of equal remainders the earlier one comes first"
    write(tmp_path / "plain.jsonl", [{"prompt": "?", "chosen": "a", "rejected": "b", "group": "us"}] * 9)
    later = [each.entry.key for each in gather(parse(BOTH.replace("0.3", "0.0")))]
    assert not set(later) & set(first)


STAGE = '[[stage]]\nname = "tuned"\nmethod = "{method}"\ndata = "shown"\n'


@pytest.mark.parametrize("method", ["dpo", "reward"])
def test_methods_that_compare_refuse_demonstrations(parse, method: str) -> None:
    file = parse(SHOWN + STAGE.format(method=method))
    with pytest.raises(InputError, match=r'stage "tuned": data "shown" holds completions with nothing rejected'):
        check_completions(file.stages, {each.name: each for each in gather(file)})


def test_fine_tuning_takes_demonstrations_and_not_prompts_alone(parse) -> None:
    file = parse(SHOWN + STAGE.format(method="sft"))
    check_completions(file.stages, {each.name: each for each in gather(file)})
    file = parse(SHOWN.replace("demonstrations", "prompts") + 'prompt = "text"\n' + STAGE.format(method="sft"))
    with pytest.raises(InputError, match='data "shown" holds prompts without completions'):
        check_completions(file.stages, {each.name: each for each in gather(file)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOTH.replace('"talk"]', '"tlak"]'), 'data "both": mix: unknown .* "tlak"; did you mean "talk"'),
        (BOTH + '[data.more]\nmix = ["both"]\n', 'data "more": mix: unknown data set with rows "both"'),
        (BOTH + 'rows = "plain.jsonl"\n', 'data "both": a mix names data sets of this file'),
        (BOTH.replace('"talk"]', '"plain"]'), 'data "both": mix names a data set twice'),
        (BOTH + 'chosen = "better"\n', 'data "both": a mix has no source of its own'),
        ("[data.none]\n", 'data "none": option "rows" is missing'),
        (PLAIN + "temperature = 2.0\nper_group = 3\n", 'data "plain": temperature and per_group both say'),
        (PLAIN + 'split = "train"\n', 'data "plain": split = "train", but no row of .* has a column "split"'),
        (PLAIN + 'group = "country"\n', r'data "plain": .*plain\.jsonl, row 1: no column "country"'),
        (TALK.replace("dialogues", "texts"), r'data "talk": .*texts\.jsonl, row 1: no column "chosen"'),
    ],
)
def test_what_cannot_be_is_named(parse, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=rf"^run\.toml: {expected}"):
        gather(parse(text))


def test_margins_that_a_method_makes_nothing_of_are_said(parse, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Question {n}?", "chosen": " yes", "rejected": " no", "margin": n % 2, "prompt_id": n}
        for n in range(COUNT)
    ]
    write(tmp_path / "margins.jsonl", rows)
    data = '[data.{0}]\nrows = "{0}.jsonl"\nheld_out = 0.0\n'
    stage = '[[stage]]\nname = "{0}"\nmethod = "{0}"\ndata = "{1}"\n'
    file = parse(
        data.format("margins")
        + 'group_name = "us"\n'
        + data.format("plain")
        + stage.format("reward", "margins")
        + stage.format("dpo", "margins")
        + stage.format("sft", "plain")
    )
    voices = {data.name: data for data in gather(file)}
    (said,) = unused_margins(file.stages, voices)
    assert said == (
        f'stage dpo: {COUNT // 2} pairs of data "margins" have a margin, of which method = "dpo" makes no use.'
    )
