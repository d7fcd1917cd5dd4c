"""A sweep makes one stage for each point of the grid, and of what does not depend on a point only one."""

from pathlib import Path
from typing import Any

import pytest

from pluralign.errors import InputError
from pluralign.runfile.parts import Family
from pluralign.runfile.read import read
from pluralign.runfile.sweep import expand

STAGES: list[dict[str, Any]] = [
    {"name": "sft", "method": "sft", "data": "voices"},
    {"name": "reward", "method": "reward", "from": "sft", "data": "voices"},
    {"name": "dpo", "method": "dpo", "from": "sft", "reference": "base", "data": "voices", "beta": 0.3},
    {"name": "rloo", "method": "rloo", "from": "dpo", "reward": ["reward", "mine.py:length"], "data": "voices"},
]


def swept(sweep: dict[str, Any], stages: list[dict[str, Any]] = STAGES) -> tuple[dict[str, Any], dict[str, Family]]:
    table, families = expand({"base": "sandbox", "stage": stages, "sweep": sweep}, "run.toml")
    assert "sweep" not in table
    return {stage["name"]: stage for stage in table["stage"]}, families


def test_only_what_depends_on_an_option_is_made_for_each_value() -> None:
    made, families = swept({"dpo.beta": [0.05, 0.1]})
    assert list(made) == ["sft", "reward", "dpo.beta_0.05", "dpo.beta_0.1", "rloo.dpo.beta_0.05", "rloo.dpo.beta_0.1"]
    assert [made[name]["beta"] for name in ("dpo.beta_0.05", "dpo.beta_0.1")] == [0.05, 0.1]
    assert made["rloo.dpo.beta_0.1"]["from"] == "dpo.beta_0.1"
    assert made["rloo.dpo.beta_0.1"]["reward"] == ["reward", "mine.py:length"]
    assert "beta" not in made["rloo.dpo.beta_0.1"]
    assert families == {}


def test_seeds_are_one_family_and_stand_on_their_like() -> None:
    made, families = swept({"seed": [0, 1], "dpo": {"beta": [0.05, 0.1]}})
    assert len(made) == 2 + 2 + 4 + 4
    rloo = made["rloo.dpo.beta_0.1.seed_1"]
    assert (rloo["from"], rloo["seed"]) == ("dpo.beta_0.1.seed_1", 1)
    assert rloo["reward"] == ["reward.seed_1", "mine.py:length"]
    assert made["dpo.beta_0.1.seed_1"]["reference"] == "base"
    assert families["rloo.dpo.beta_0.1.seed_1"] == Family("rloo.dpo.beta_0.1", 1)
    assert set(families) == set(made)


def test_an_ensemble_has_the_seeds_of_its_members_and_takes_none() -> None:
    rewards = [{"name": name, "method": "reward", "data": "voices"} for name in ("one", "other")]
    both = {"name": "both", "method": "ensemble", "from": ["one", "other"]}
    made, families = swept({"seed": [4, 5]}, [*rewards, both])
    assert made["both.seed_5"] == {"name": "both.seed_5", "method": "ensemble", "from": ["one.seed_5", "other.seed_5"]}
    assert families["both.seed_5"] == Family("both", 5)


def test_a_swept_reference_is_the_one_that_the_name_says() -> None:
    made, _ = swept({"seed": [0, 1], "dpo.reference": ["base", "sft"], "sft.learning_rate": [0.1]}, STAGES[:3])
    rate = "sft.learning_rate_0.1"
    references = {name: stage["reference"] for name, stage in made.items() if stage["method"] == "dpo"}
    assert references == {
        **{f"dpo.reference_base.{rate}.seed_{seed}": "base" for seed in (0, 1)},
        **{f"dpo.reference_sft.{rate}.seed_{seed}": f"{rate}.seed_{seed}" for seed in (0, 1)},
    }


def test_a_swept_reference_that_the_stage_does_not_have_brings_its_axes() -> None:
    stages = [{"name": "sft", "method": "sft"}, {"name": "dpo", "method": "dpo"}]
    made, _ = swept({"dpo.reference": ["sft"], "sft.learning_rate": [0.1, 0.2]}, stages)
    assert [made[name]["reference"] for name in made if name.startswith("dpo")] == [
        "sft.learning_rate_0.1",
        "sft.learning_rate_0.2",
    ]


@pytest.mark.parametrize("sweep", [{"seed": [0, 1]}, {"dpo.reference": ["base", "stf"]}])
def test_an_unknown_stage_is_held_against_the_names_of_the_file(sweep: dict[str, Any]) -> None:
    start = "sft" if "dpo.reference" in sweep else "stf"
    stages = [STAGES[0], {"name": "dpo", "method": "dpo", "from": start}]
    with pytest.raises(InputError, match=r'^run.toml: stage "dpo": unknown stage "stf"; did you mean "sft"\?$'):
        swept(sweep, stages)


def test_a_number_below_zero_keeps_its_sign_in_a_name() -> None:
    made, _ = swept({"rloo.top_k": [-1, 1]}, STAGES)
    assert {"rloo.top_k_-1", "rloo.top_k_1"} < set(made)


def test_without_a_sweep_nothing_changes() -> None:
    table = {"base": "sandbox", "stage": STAGES}
    assert expand(table, "run.toml") == (table, {})


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"dop.beta": [0.1]}, 'unknown axis "dop.beta"; did you mean "dpo.beta"?'),
        ({"beta": [0.1]}, 'unknown axis "beta"'),
        ({"seed": 3}, "seed = 3: must be a list of values"),
        ({"seed": [0.5]}, "seeds are whole numbers"),
        ({"seed": [-1, 1]}, "seed = [-1, 1]: seed must be at least 0 and below 2**32, not -1"),
        ({"dpo": {}}, "dpo has no option below it"),
        ({"dpo.beta": []}, "dpo.beta = []: must be a list of values"),
        ({"dpo.beta": [0.1, 0.1]}, "two values are the same"),
        ({"dpo.from": ["sft"]}, '"dpo.from" cannot be swept'),
        ({"old.dtype": ["float32"]}, 'stage "old" exists already and is not trained'),
        ([1], "write seed = [0, 1, 2]"),
    ],
)
def test_what_cannot_be_swept_is_refused(sweep: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        swept(sweep, [*STAGES, {"name": "old", "model": "sandbox"}])
    assert str(refused.value).startswith("run.toml: [sweep]: ")
    assert said in str(refused.value)


def test_a_model_that_exists_stands_on_one_stage() -> None:
    with pytest.raises(InputError, match='stage "old" exists already, but stands on "dpo"'):
        swept({"seed": [0, 1]}, [*STAGES, {"name": "old", "model": "sandbox", "from": "dpo"}])


def test_seeds_that_nothing_would_take_are_refused() -> None:
    with pytest.raises(InputError, match="seed: no stage of this file is trained"):
        swept({"seed": [0, 1]}, [{"name": "old", "model": "sandbox"}])
    with pytest.raises(InputError, match='stage "sft" has a seed of its own, 7; leave that out'):
        swept({"seed": [0, 1]}, [STAGES[0] | {"seed": 7}])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (('name = "a"', 'name = "a"'), 'the name "a" is given twice'),
        (("", 'name = "a"'), "name = None: use letters"),
        (('name = "base"',), '"base" is the model that the run starts from'),
    ],
)
def test_a_grid_hides_no_fault_of_a_name(names: tuple[str, ...], said: str, tmp_path: Path) -> None:
    stages = "".join(f'[[stage]]\n{name}\nmethod = "sft"\ndata = "voices"\n' for name in names)
    file = tmp_path / "run.toml"
    text = f'base = "sandbox"\n[data.voices]\nrows = "sandbox"\n{stages}[sweep]\nseed = [0, 1]\n'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read(file)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "wrong", [{"model": "sandbox", "reference": "dpo"}, {"method": "sft", "model": "sandbox"}, {"from": {"dpo": 1}}]
)
def test_what_is_wrong_within_a_stage_is_left_to_its_own_checks(wrong: dict[str, Any]) -> None:
    made, _ = swept({"dpo.beta": [0.1]}, [*STAGES, {"name": "old", **wrong}])
    assert made["old"] == {"name": "old", **wrong}


def test_a_run_file_is_read_with_its_grid(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'base = "sandbox"\n[data.voices]\nrows = "sandbox"\n[[stage]]\nname = "dpo"\nmethod = "dpo"\ndata = "voices"\n'
        '[sweep]\nseed = [0, 1]\n"dpo.beta" = [0.05, 0.1]\n',
        encoding="utf-8",
    )
    run = read(file, ["sweep.seed=[7, 8, 9]"])
    assert [part.name for part in run.stages][:3] == [f"dpo.beta_0.05.seed_{seed}" for seed in (7, 8, 9)]
    assert [part.header.seed for part in run.stages] == [7, 8, 9, 7, 8, 9]
    assert [part.options.beta for part in run.stages] == [0.05] * 3 + [0.1] * 3
    assert run.resolved["sweep"] == {"seed": [7, 8, 9], "dpo.beta": [0.05, 0.1]}
    with pytest.raises(InputError, match='unknown option "bta"; did you mean "beta"'):
        read(_with(file, '"dpo.beta"', '"dpo.bta"'))


def _with(file: Path, old: str, new: str) -> Path:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return file
