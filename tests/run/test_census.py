"""A census from request to card: what is kept, what is told, and that an interrupted one goes on."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tokenizers

import pluralign
from pluralign import store
from pluralign.census.counts import Counts
from pluralign.census.gauge import Gauge
from pluralign.census.processes import count_shards
from pluralign.data import shards
from pluralign.data.shards import Shard
from pluralign.errors import InputError
from pluralign.run import census
from pluralign.run.census import Request, take

IDENTIFY = """
def tell(texts):
    return ["en" if text.isascii() else "ru" for text in texts]
"""


def rows() -> Iterator[dict[str, str]]:
    for number in range(200):
        good, bad = f"Women from Nigeria like colour {number}", f"Женщины {number}"
        yield {"prompt": f"Who is {number % 9}?", "chosen": good if number % 3 else bad, "rejected": bad, "topic": "x"}


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shards, "BYTES", 2000)
    Path("mine.py").write_text(IDENTIFY)
    Path("voices.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows()), encoding="utf-8"
    )
    return Request(data="voices.jsonl", identify="mine.py:tell", workers=1)


def made(request: Request, runs: str = "runs") -> tuple[dict[str, Any], str]:
    *_, page, numbers = take(request, Path(runs), command="pluralign census").splitlines()
    return json.loads(Path(numbers).read_text(encoding="utf-8")), Path(page).read_text(encoding="utf-8")


def test_the_card_says_who_is_there(request_: Request) -> None:
    found, page = made(request_)
    assert (found["rows"], found["pairs"], found["data"]["not_read"]) == (200, 200, ["topic"])
    assert found["texts"] == {"prompt": 200, "chosen": 200, "rejected": 200}
    assert {each["name"]: each["rows"] for each in found["countries"]} == {"NGA": 133}
    (woman,) = found["identities"]
    assert woman["pairs_with_one_mention"]["chosen_share"]["share"] == 1.0
    assert [each["name"] for each in found["dialects"]] == ["en-GB"]
    for words in ("Nigeria", "British English", "chosen share", "pluralign census", "voices.jsonl", "not read: topic"):
        assert words in page
    assert not list(Path("runs").rglob("steps"))


def test_completions_that_are_judged_one_by_one_have_three_sides(request_: Request) -> None:
    judged = [{"prompt": "Who?", "completion": f"gay {n}", "label": n % 3 == 0} for n in range(9)]
    Path("voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in judged))
    found, page = made(request_)
    assert (found["texts"], found["pairs"]) == ({"prompt": 9, "chosen": 3, "rejected": 6}, 0)
    assert found["read_by"] == {"prompt, completion, label": 9}
    assert "9 prompt, 3 chosen, 6 rejected" in page


def test_a_census_that_is_there_is_not_made_again(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(request_)
    monkeypatch.setattr(census, "count_shards", lambda *_: pytest.fail("counted again"))
    assert made(request_) == first
    with pytest.raises(pytest.fail.Exception):
        made(replace(request_, characters=10))


def test_an_interrupted_census_goes_on_and_ends_the_same(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = made(request_, "elsewhere")
    counted: list[Shard] = []

    def interrupted(missing: Sequence[Shard], gauge: Gauge, workers: int) -> Iterator[tuple[Shard, Counts]]:
        for done in count_shards(missing, gauge, workers):
            if len(counted) == 3:
                raise KeyboardInterrupt
            counted.append(done[0])
            yield done

    def rest(missing: Sequence[Shard], gauge: Gauge, workers: int) -> Iterator[tuple[Shard, Counts]]:
        counted.extend(missing)
        return count_shards(missing, gauge, workers)

    monkeypatch.setattr(census, "count_shards", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made(request_)
    monkeypatch.setattr(census, "count_shards", rest)
    found, _ = made(request_)
    assert len(counted) == len(set(counted)) > 4, "no stretch was counted twice"
    assert found == whole


def test_several_processes_count_the_same(request_: Request) -> None:
    one, _ = made(request_)
    several, _ = made(replace(request_, workers=2), "elsewhere")
    assert several == one


def test_what_changes_a_number_changes_the_key(request_: Request) -> None:
    first = census.check(request_).entry.key
    assert census.check(replace(request_, workers=2)).entry.key == first
    assert census.check(replace(request_, columns="prompt=topic")).entry.key != first
    Path("mine.py").write_text(IDENTIFY + "\n# changed\n")
    assert census.check(request_).entry.key != first


def test_every_list_of_the_package_is_part_of_the_key(request_: Request) -> None:
    shipped = {path.stem for path in (Path(pluralign.__file__).parent / "census" / "lexicons").glob("*.toml")}
    assert shipped == census.check(request_).entry.made_of["lexicons"].keys()


def test_what_another_process_has_made_in_the_meantime_is_kept(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.locked

    @contextmanager
    def late(folder: Path) -> Iterator[None]:
        monkeypatch.setattr(store, "locked", real)
        made(request_)
        with real(folder):
            monkeypatch.setattr(census, "_make", lambda *_: pytest.fail("made again"))
            yield

    monkeypatch.setattr(store, "locked", late)
    assert made(request_)[0]["rows"] == 200


def test_a_tokenizer_is_found_from_any_folder(request_: Request) -> None:
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).save("tokenizer.json")
    found = census.check(replace(request_, tokenizer="tokenizer.json")).gauge.tokenizer
    assert found is not None
    assert found.is_absolute()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"data": "voice.jsonl"}, 'census: there is no file "voice.jsonl"'),
        ({"source": "hh_rlfh"}, 'did you mean "hh_rlhf"'),
        ({"source": "hh_rlhf", "columns": "prompt=x"}, '--columns: the columns of --source "hh_rlhf" are its own'),
        ({"columns": "promt=x"}, 'unknown column "promt"; did you mean "prompt"'),
        ({"identify": "mine.py:tel"}, 'unknown function "tel"; did you mean "tell"'),
        ({"tokenizer": "absent"}, '--tokenizer "absent": there is no tokenizer.json'),
        ({"tokenizer": "mine.py"}, "mine.py is no tokenizer"),
        ({"characters": 0}, "--characters 0: must be at least 1"),
        ({"workers": 0}, "--workers 0: must be at least 1"),
        ({"columns": "chosen=a,rejected=b,prompt=c"}, "voices.jsonl, line 1: needs the columns"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(
    request_: Request, changed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as refusal:
        made(replace(request_, **changed))
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not Path("runs").exists()


def test_a_damaged_row_in_the_middle_keeps_what_was_counted(request_: Request) -> None:
    lines = Path("voices.jsonl").read_bytes().splitlines(keepends=True)
    Path("voices.jsonl").write_bytes(b"".join([*lines[:150], b"{torn\n", *lines[151:]]))
    with pytest.raises(InputError, match=r"voices\.jsonl, line 151: not JSON"):
        made(request_)
    assert len(list(Path("runs").rglob("steps/*.json"))) > 3


def test_demonstrations_have_completions_and_no_sides(request_: Request) -> None:
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A Muslim woman | and a man"}]
    Path("shown.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    found, page = made(replace(request_, data="shown.jsonl"))
    assert (found["pairs"], found["texts"]) == (0, {"prompt": 1, "chosen": 1, "rejected": 0})
    assert "1 prompt, 1 completion" in page
    assert "chosen" not in page
    assert "rejected" not in page


def test_rows_that_belong_together_are_read_together(request_: Request) -> None:
    def message(name: str, parent: str | None, text: str, rank: int | None) -> str:
        role = "prompter" if rank is None else "assistant"
        row = {"message_id": name, "parent_id": parent, "role": role, "text": text, "lang": "en", "rank": rank}
        return json.dumps(row) + "\n"

    Path("tree").mkdir()
    Path("tree/a.jsonl").write_text(message("q", None, "Who?", None) + message("x", "q", "women", 1))
    Path("tree/b.jsonl").write_text(message("y", "q", "men", 0) + message("z", "q", "nobody", 1))
    found, _ = made(replace(request_, data="tree", source="oasst1"))
    assert (found["rows"], found["pairs"]) == (2, 2)
    assert found["left_out"] == [{"why": "tie", "rows": 1, "first": ""}]
    (man, woman) = found["identities"]
    assert (man["pairs_with_one_mention"]["chosen"], woman["pairs_with_one_mention"]["rejected"]) == (2, 1)
