"""Who cannot give log-probabilities: choices by text are labelled on the page, scores are refused in one clear line."""

import csv
import json
from pathlib import Path

import pytest

from pluralign.cli import app
from pluralign.engine.loading.load import make_reward_model, save
from pluralign.errors import InputError

ADAPTER = """
from dataclasses import dataclass
from pathlib import Path
import json

from pluralign.records.reply import Reply

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    root: Path


def stages(options):
    return {path.stem: {"AUDIT": (path,)} for path in sorted(options.root.glob("*.json"))}


def rows(audit, options):
    return json.loads((options.root / "rows").read_text())


def replies(audit, files, items, options):
    for item, fields in json.loads(files[0].read_text()).items():
        yield Reply(item=item, ask=0, **{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})
"""
QUESTIONS = [
    {
        "link": f"link {number // 2}",
        "question_number": number,
        "flores_passage": "A cart has two wheels.",
        "question": "How many wheels?",
        **{f"mc_answer{place}": word for place, word in enumerate(("one", "two", "three", "four"), start=1)},
        "correct_answer_num": "2",
        "dialect": language,
    }
    for language in ("eng_Latn", "swh_Latn")
    for number in range(4)
]
TEXTS = [
    {"text": f"The cat has {number} hats.", "language": language, "document": str(number)}
    for language in ("eng_Latn", "swh_Latn")
    for number in range(4)
]


def recorded(folder: Path, audit: str, rows: list[dict[str, str]], **stages: dict[str, object]) -> str:
    root = folder / "root"
    root.mkdir()
    (root / "rows").write_text(json.dumps(rows))
    for name, replies in stages.items():
        (root / f"{name}.json").write_text(json.dumps(replies))
    (folder / "adapter.py").write_text(ADAPTER.replace("AUDIT", audit))
    path = folder / "old.toml"
    path.write_text(f'[recorded]\nuses = "adapter.py"\nroot = "{root}"\n[[audit]]\nuses = "{audit}"\n')
    return str(path)


def run(folder: Path, path: str) -> str:
    app(
        ["run", path, "--runs", str(folder / "runs")],
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    return (folder / "runs" / Path(path).stem / "report" / "index.html").read_text(encoding="utf-8")


def estimates(folder: Path, run: str) -> dict[tuple[str, str, str], tuple[float, int]]:
    with (folder / "runs" / run / "report" / "estimates.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["stage"], row["measure"], row["group"]): (float(row["value"]), int(row["missing"]))
            for row in csv.DictReader(file)
        }


def test_choices_by_text_count_and_are_labelled(tmp_path: Path) -> None:
    said = ["(B)", "C) three", "two", "no idea"]
    names = [f"{row['dialect']}:{row['link']}#{row['question_number']}" for row in QUESTIONS]
    by_text = {name: {"text": said[place % 4]} for place, name in enumerate(names)}
    by_number = {name: {"logprobs": [-2.0, -1.0, -3.0, -4.0], "tokens": [1, 1, 1, 1]} for name in names}
    path = recorded(tmp_path, "belebele", QUESTIONS, talker=by_text, scorer=by_number)
    page = run(tmp_path, path)
    assert "belebele: talker made 8 of 8 choices by text fallback" in page
    assert "scorer made" not in page
    assert "belebele: no &#34;accuracy_sum&#34; from talker." in page
    found = estimates(tmp_path, "old")
    assert found["talker", "accuracy", "eng_Latn"] == (pytest.approx(2 / 3), 1)
    assert found["scorer", "accuracy", "eng_Latn"] == (1.0, 0)


def test_text_is_refused_where_log_probabilities_are_scored(tmp_path: Path) -> None:
    path = recorded(tmp_path, "perplexity", TEXTS, talker={str(number): {"text": "so"} for number in range(1, 9)})
    with pytest.raises(
        InputError, match=r'audit perplexity of talker: .*item "1" is text, and log-probabilities were asked'
    ):
        run(tmp_path, path)


def test_a_reward_model_is_left_out_where_log_probabilities_are_asked(tiny, tmp_path: Path) -> None:
    base = tiny.save_model(tmp_path / "base", "llama", bos=True)
    save(*make_reward_model(base, seed=0), tmp_path / "judge")
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TEXTS))
    path = tmp_path / "live.toml"
    path.write_text(
        f'base = "{base}"\n[[stage]]\nname = "judge"\nmodel = "{tmp_path / "judge"}"\n'
        f'[[audit]]\nuses = "perplexity"\nrows = "{tmp_path / "texts.jsonl"}"\n'
    )
    page = run(tmp_path, str(path))
    assert "perplexity: judge gives rewards, where log-probabilities are asked; left out." in page
    found = estimates(tmp_path, "live")
    assert {stage for stage, _, _ in found} == {"base"}
    assert 0 < found["base", "bits_per_byte", "eng_Latn"][0] < 30
