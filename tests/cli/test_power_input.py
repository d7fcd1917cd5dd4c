"""`pluralign power` on the real command line: what it says, and what it refuses in one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pluralign.errors import InputError
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.report import tables
from pluralign.run.power import answer
from pluralign.run.question import Question
from pluralign.stats.audit import compare, estimate
from pluralign.stats.table import TableBuilder


def test_three_points_on_the_command_line_without_torch() -> None:
    code = "import sys\nsys.argv = ['pluralign', 'power', '--gap', '0.03', '--pairing', '0.5']\n"
    code += "from pluralign.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    code += "assert not {'torch', 'transformers'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "3.0 points" in done.stdout
    assert "2,183" in done.stdout, "normal values of variance .25: statsmodels says 2182.2 for an effect of .06"
    assert "4,362" in done.stdout


REFUSED: list[tuple[Question, str]] = [
    (Question(gap=3.0), "--gap 3: a fraction below 1 is needed; 3 points are 0.03"),
    (Question(margin=2.0), "2 points are 0.02"),
    (Question(), "--gap 0.03"),
    (Question(gap=-0.1), "must be above 0"),
    (Question(gap=0.1, power=80.0), "--power 80"),
    (Question(items=0), "--items 0"),
    (Question(gap=0.1, share=0.5, sd=0.5), "give one"),
    (Question(gap=0.1, share=1.0), "leave nothing to plan"),
    (Question(gap=0.1, pairing=1.0), "--pairing 1"),
    (Question(gap=0.1, icc=0.1), "--cluster-size"),
    (Question(gap=0.1, size_variation=0.5), "clusters of one item do not vary; say --cluster-size"),
    (Question(gap=0.1, shared=0.5, reference_items=9), "give one"),
    (Question(gap=0.1, audit="reading"), "--audit names something of an earlier run; say which by --like"),
    (Question(gap=0.1, from_stage="base"), "--from-stage names something of an earlier run"),
    (Question(like=Path("nowhere")), "no report/readings.parquet there"),
    (Question(like=Path("nowhere"), cluster_size=2.0), "--cluster-size: with --like"),
]


@pytest.mark.parametrize(("question", "said"), REFUSED)
def test_refuses_in_one_line(question: Question, said: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as refused:
        answer(question)
    assert said in str(refused.value)


def test_a_gap_of_three_is_fine_where_values_are_no_shares() -> None:
    assert "3 " in answer(Question(gap=3.0, sd=10.0))


def test_what_is_out_of_reach_is_said_with_its_reason() -> None:
    tiny = answer(Question(gap=1e-6))
    assert tiny.count("it would take more than 1,000,000,000") == 3
    assert "reference group" not in tiny
    few = answer(Question(gap=0.03, margin=0.04, items=400, reference_items=20)).splitlines()
    reason = "because the reference group has too few."
    assert f"gap between two groups: no number of items is enough for 3.0 points, {reason}" in few
    assert f"change of that gap: no number of items is enough for ±4.0 points, {reason}" in few
    assert sum("no number of items" in line for line in few) == 4


def a_run(folder: Path, kept: dict[str, dict[str, np.ndarray]], ways: list[tuple[str, str]]) -> Path:
    """A finished run: right answers by stage and group, in pairs that belong together."""
    builder = TableBuilder()
    audit = Audit(
        name="reading",
        uses="belebele",
        description="",
        measures={"accuracy": Measure("right answers")},
        reference={"language": "en"},
    )
    for stage, groups in kept.items():
        for group, answers in groups.items():
            for index, right in enumerate(answers):
                builder.append(
                    audit="reading",
                    measure="accuracy",
                    stage=stage,
                    item=f"{group}{index}",
                    slice="language",
                    group=group,
                    cluster=f"{group}{index // 2}",
                    value=float(right),
                )
    table = builder.build()
    found = Findings(
        title="",
        stages=(),
        audits=(audit,),
        transitions=(),
        estimates=tuple(estimate(table, audit)),
        changes=tuple(compare(table, audit, ways)),
        summaries=(),
    )
    (folder / "report").mkdir()
    tables.write(found, table, folder / "report")
    return folder


def turned(answers: dict[str, np.ndarray], share: float, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The answers, of which so many are the other way round."""
    return {group: before ^ (random.random(len(before)) < share) for group, before in answers.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 answers of either group, of which the second stage changes a fifth."""
    random = np.random.default_rng(0)
    base = {group: random.random(300) < 0.6 for group in ("de", "en")}
    stages = {"base": base, "tuned": turned(base, 0.2, random)}
    return a_run(tmp_path_factory.mktemp("run"), stages, [("base", "tuned")])


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ladders: the first changes few answers, the second more; their ends have nothing to do with each other."""
    random = np.random.default_rng(1)
    first, second = ({group: random.random(300) < 0.6 for group in ("de", "en")} for _ in range(2))
    sft = turned(second, 0.3, random)
    stages = {"one": first, "one-dpo": turned(first, 0.05, random), "two": second, "two-sft": sft}
    stages["two-dpo"] = turned(sft, 0.1, random)
    ways = [("one", "one-dpo"), ("two", "two-sft"), ("two-sft", "two-dpo"), ("two", "two-dpo")]
    return a_run(tmp_path_factory.mktemp("ladders"), stages, ways)


def test_an_earlier_run_replaces_guesses(run: Path) -> None:
    said = answer(Question(like=run, audit="reading", measure="accuracy", gap=0.03))
    rows = [line.split() for line in said.splitlines() if line.startswith(("de ", "en "))]
    assert [row[0] for row in rows] == ["de", "de", "de", "en"], "the reference group has no gap to itself"
    assert all("300" in row and "150" in row for row in rows)
    assert "Holm's worst case of 2 groups" in said
    more = answer(Question(like=run, audit="reading", measure="accuracy", gap=0.03, items=3000))
    assert "3,000" in more


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, "the run has reading"),
        ({"audit": "raeding"}, 'did you mean "reading"'),
        ({"audit": "reading"}, "the run has accuracy"),
        ({"audit": "reading", "measure": "acuracy"}, 'did you mean "accuracy"'),
    ],
)
def test_names_of_an_earlier_run_are_checked(run: Path, names: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as refused:
        answer(Question(like=run, **names))  # pyright: ignore[reportArgumentType]
    assert said in str(refused.value)


def test_estimates_without_a_column_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/readings.parquet").write_bytes((run / "report/readings.parquet").read_bytes())
    (tmp_path / "report/estimates.csv").write_text("audit,measure\n", encoding="utf-8")
    with pytest.raises(InputError, match=r'estimates.csv, line 1: no column "slice"; `pluralign report` writes it'):
        answer(Question(like=tmp_path, audit="reading", measure="accuracy"))


def test_levels_are_said_unrounded() -> None:
    said = answer(Question(gap=0.03, alpha=0.005, power=0.999))
    assert "Power 99.9%, two-sided 0.5% level" in said
    assert "99.9 of 100 such audits" in said


ACCURACY: dict[str, str] = {"audit": "reading", "measure": "accuracy"}


def said_of(run: Path, **stages: str) -> str:
    return answer(Question(like=run, gap=0.03, **ACCURACY, **stages))  # pyright: ignore[reportArgumentType]


def needed(said: str) -> list[str]:
    """The lines of the table."""
    return [line for line in said.splitlines() if line.startswith(("de ", "en "))]


def test_of_several_ladders_the_first_is_planned_by_from_end_to_end(ladders: Path) -> None:
    said = said_of(ladders)
    assert " from one to one-dpo, 2 groups" in said
    assert "The run also compares two → two-sft, two-sft → two-dpo, two → two-dpo; --from-stage and --to-stage" in said
    assert needed(said) == needed(said_of(ladders, from_stage="one", to_stage="one-dpo"))


@pytest.mark.parametrize(
    ("stages", "way"),
    [
        ({"from_stage": "two"}, "two to two-dpo"),
        ({"to_stage": "two-sft"}, "two to two-sft"),
        ({"to_stage": "two-dpo"}, "two to two-dpo"),
        ({"from_stage": "two-sft"}, "two-sft to two-dpo"),
        ({"from_stage": "one-dpo", "to_stage": "two-dpo"}, "one-dpo to two-dpo"),
    ],
)
def test_stages_are_chosen_by_name(ladders: Path, stages: dict[str, str], way: str) -> None:
    said = said_of(ladders, **stages)
    assert f" from {way}, 2 groups" in said
    assert ("The run also compares" in said) == (len(stages) == 1)
    assert needed(said) != needed(said_of(ladders))


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ({"from_stage": "two-stf"}, '--from-stage: unknown stage "two-stf"; did you mean "two-sft"?'),
        ({"to_stage": "end"}, '--to-stage: unknown stage "end"; known: one, one-dpo, two, two-dpo, two-sft'),
        ({"from_stage": "two-dpo"}, "--from-stage two-dpo: no later stage is compared with it in that run; its trans"),
        ({"to_stage": "one"}, "--to-stage one: it is compared with no earlier stage in that run; its transi"),
        ({"from_stage": "two", "to_stage": "two"}, "are both two; name two of one, one-dpo, two, two-sft, two-dpo"),
    ],
)  # fmt: skip
def test_stages_that_cannot_be_are_refused_with_the_nearest_fix(
    ladders: Path, stages: dict[str, str], complaint: str
) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as refused:
        said_of(ladders, **stages)
    assert complaint in str(refused.value)


def test_a_run_that_compares_no_stages_asks_for_two(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    answers = {group: random.random(40) < 0.6 for group in ("de", "en")}
    run = a_run(tmp_path, {"a": answers, "b": turned(answers, 0.3, random)}, [])
    with pytest.raises(InputError, match="no two stages are compared in that run; its stages are a, b; name both by"):
        said_of(run)
    assert " from a to b, 2 groups" in said_of(run, from_stage="a", to_stage="b")


def test_a_run_of_one_stage_has_no_gain(tmp_path: Path) -> None:
    run = a_run(tmp_path, {"a": {"de": np.ones(9, bool)}}, [])
    with pytest.raises(InputError, match="was read at one stage alone; a gain takes two"):
        said_of(run)
