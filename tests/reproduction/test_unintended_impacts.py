"""The authors' recorded outputs, re-scored: the published tables and every stored column come out again.

Source: Ryan et al. 2024, arXiv:2402.15018; its recorded outputs.
"""

import ast
import csv
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from types import ModuleType

import pytest

from pluralign import plugins
from pluralign.audits import dialects, tydiqa
from pluralign.records.reply import Reply
from pluralign.subjects.recorded import RecordedSubject

FILE = Path(__file__).resolve().parents[2] / "examples" / "unintended_impacts.py"
adapter = plugins.load_file(FILE, "adapter", place="test")

PUBLISHED = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
GAMES, LANGUAGES = PUBLISHED["games"]["accuracy"], PUBLISHED["answers"]["languages"]
ANSWERS = [(stage, measure) for measure in ("f1", "exact_match") for stage in PUBLISHED["answers"][measure]]

UNTOLD = {"forced_choice_sum"}
"""What the recorded files cannot tell: they hold probabilities per token, without the counts of tokens."""

Values = dict[str, dict[str, float]]
"""Item → measure → value."""


class Rescored:
    """All readings of one audit, over every model that was recorded."""

    def __init__(self, audit: ModuleType, name: str, root: Path) -> None:
        options = adapter.Options(data_root=root)
        self.items = tuple(audit.items(adapter.rows(name, options), audit.Options()))
        self.files: Mapping[str, tuple[Path, ...]] = {
            stage: files[name] for stage, files in adapter.stages(options).items() if name in files
        }
        self.values: dict[str, Values] = {}
        for stage, files in self.files.items():
            subject = RecordedSubject(
                name=stage, replies=lambda items, files=files: adapter.replies(name, files, items, options)
            )
            by_item: dict[str, list[Reply]] = defaultdict(list)
            for reply in subject.answer(self.items):
                by_item[reply.item].append(reply)
            assert subject.notice() is None
            self.values[stage] = {
                item.id: {one.measure: one.value for one in audit.read(item, by_item[item.id], audit.Options())}
                for item in self.items
            }

    def mean(self, stage: str, measure: str, group: str) -> float:
        values = [self.values[stage][item.id][measure] for item in self.items if group in item.slices.values()]
        return sum(values) / len(values)


@pytest.fixture(scope="module")
def root(shared_data: Path) -> Path:
    folder = shared_data / "unintended-impacts"
    if not (folder / "outputs").is_dir():
        pytest.skip(f"needs the recorded outputs in {folder}")
    return folder


@pytest.fixture(scope="module")
def games(root: Path) -> Rescored:
    return Rescored(dialects, "dialects", root)


@pytest.fixture(scope="module")
def answers(root: Path) -> Rescored:
    return Rescored(tydiqa, "tydiqa", root)


def stored(file: Path) -> list[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("stage", GAMES)
def test_the_published_table_of_games(games: Rescored, stage: str) -> None:
    means = [games.mean(stage, "accuracy", group) for group in PUBLISHED["games"]["dialects"]]
    assert means == pytest.approx(GAMES[stage], abs=5.1e-5)


@pytest.mark.parametrize("stage", GAMES)
def test_every_stored_judgement_of_a_game(games: Rescored, stage: str) -> None:
    (file,) = games.files[stage]
    rows = stored(file)
    assert len(rows) == len(games.items) == 894
    for number, row in enumerate(rows, start=1):
        values = games.values[stage][str(number)]
        assert values["accuracy"] == float(row["generated_correct_answer_num"])
        assert values["forced_choice"] == float(row["chose_correct_answer_num"])
        six = [row["correct_answer"], *ast.literal_eval(row["distractors"])]
        assert values["answered"] == any(word.lower() in row["generated_answer"].lower() for word in six)


@pytest.mark.parametrize(("stage", "measure"), ANSWERS)
def test_the_published_table_of_answers(answers: Rescored, stage: str, measure: str) -> None:
    means = [100 * answers.mean(stage, measure, language) for language in LANGUAGES]
    assert means == pytest.approx(PUBLISHED["answers"][measure][stage], abs=5.1e-5)


def test_every_question_of_every_language_is_asked(answers: Rescored) -> None:
    counts = [sum(item.slices["language"] == language for item in answers.items) for language in LANGUAGES]
    assert counts == PUBLISHED["answers"]["counts"]
    assert set(answers.values) == set(GAMES)


def test_tuned_models_name_some_words_only_within_others(games: Rescored) -> None:
    """2 to 15% of the words that tuned models name are no words of their own there."""
    for stage in ("Mistral-SFT-7B", "zephyr-7b-beta", "OpenChat3.5", "starling-alpha-7b", "Tulu-2-SFT", "Tulu-2-DPO"):
        values = games.values[stage].values()
        hits = [value for value in values if value["accuracy"]]
        within = sum(not value["accuracy_whole_word"] for value in hits)
        assert 0.02 <= within / len(hits) <= 0.15


def test_what_was_cut_before_the_answer_stays_as_it_is(games: Rescored, root: Path) -> None:
    rows = adapter.rows("dialects", adapter.Options(data_root=root))
    for item, row in zip(games.items, rows, strict=True):
        assert row["transcript"] in str(item.asks[0].prompt)


def test_what_matches_by_the_english_rule_matches_by_the_rules_of_the_script(answers: Rescored) -> None:
    """True of these answers, not of all: in other languages English articles count as words."""
    for values in answers.values.values():
        assert all(value["exact_match_script"] >= value["exact_match"] for value in values.values())


def test_no_reading_is_missing(games: Rescored, answers: Rescored) -> None:
    for audit in (games, answers):
        for values in audit.values.values():
            assert {name for one in values.values() for name, value in one.items() if isnan(value)} <= UNTOLD
