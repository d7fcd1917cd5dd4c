"""Policies between groups of preferences: sequential stages and ensembles, as a run file says them."""

import json
import shutil
from pathlib import Path

import pytest

from pluralign.engine.loading.load import make_reward_model, save
from pluralign.errors import InputError
from pluralign.run.ensembles import assemble
from pluralign.run.execute import execute
from pluralign.run.loading import load
from pluralign.run.plan import audit_entry, describe
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

HEAD = """
base = "{base}"
[data.voices]
rows = "{rows}"
held_out = 0.4
[[stage]]
name = "one"
method = "reward"
data = "voices"
max_steps = 1
[[stage]]
name = "then"
method = "reward"
from = "one"
data = "voices"
max_steps = 2
"""
BOTH = """
[[stage]]
name = "all"
method = "ensemble"
from = ["one", "then"]
"""
AUDIT = """
[[audit]]
uses = "preferences"
data = "voices"
"""


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Sixty short pairs of two groups."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(60):
            letters = ("a", "b") if number % 2 else ("b", "a")
            chosen, rejected = (letter * (3 + number % 4) for letter in letters)
            row = {
                "prompt": f"the {number} ",
                "chosen": chosen,
                "rejected": rejected,
                "group": "in" if number % 2 else "ng",
            }
            file.write(json.dumps(row | {"prompt_id": str(number), "language": "en"}) + "\n")
    return path


@pytest.fixture
def prepared(tmp_path, base, pairs):
    def of(text):
        path = tmp_path / "run.toml"
        path.write_text(text.format(base=base, rows=pairs), encoding="utf-8")
        return prepare(read(path), tmp_path / "runs")

    return of


def test_an_ensemble_has_its_members_as_parents_and_changes_with_them(prepared):
    stage = prepared(HEAD + BOTH).rung("all").stage
    assert (stage.kind, stage.parents, stage.method) == ("reward", ("one", "then"), "ensemble")
    other = prepared(HEAD.replace("max_steps = 2", "max_steps = 3") + BOTH).rung("all").stage
    assert other.key != stage.key
    assert prepared(HEAD).rung("then").stage.parents == ("one",)


def test_a_run_makes_it_and_audits_it_as_one(prepared, tmp_path):
    first = prepared(HEAD + BOTH + AUDIT)
    execute(first, command="pluralign run run.toml")
    assert "0 of" in describe(prepared(HEAD + BOTH + AUDIT)).splitlines()[-1]
    answers = {}
    for path in first.folder.glob("audits/preferences-*/*.jsonl"):
        lines = map(json.loads, path.read_text().splitlines())
        answers[path.stem] = {line["item"]: line["rewards"] for line in lines if "rewards" in line}
    assert len(answers["all"]) > 10
    for item, (chosen, rejected) in answers["all"].items():
        one, then = answers["one"][item], answers["then"][item]
        assert (chosen, rejected) == pytest.approx([(x + y) / 2 for x, y in zip(one, then, strict=True)])
        assert one != then
    moved = tmp_path / "moved"
    shutil.move(first.folder.parent, moved)
    (folder,) = moved.glob("run/stages/all-*")
    assert [
        member["model"].startswith("../") for member in json.loads((folder / "ensemble.json").read_text())["members"]
    ]
    (log,) = moved.glob("run/stages/one-*/log.jsonl")
    assert json.loads(log.read_text().splitlines()[0])["saved_as"] == "LlamaForSequenceClassification"
    table = (moved / "run/report/estimates.csv").read_text()
    for measure in ("accuracy", "nll", "brier", "ece", "ece_floor", "ece_scaled", "margin_sd"):
        assert f"preferences,{measure},all," in table
    assert "preferences,implicit_margin,then," in table
    assert "preferences,implicit_margin,one," not in table, "the base has log-probabilities, not rewards"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOTH.replace('["one", "then"]', '["one"]'), "an ensemble lists two or more stages"),
        (BOTH.replace('["one", "then"]', '"one"'), "an ensemble lists two or more stages"),
        (BOTH.replace('["one", "then"]', '["one", "one"]'), "a stage stands there twice"),
        (BOTH.replace('["one", "then"]', '["one", "tehn"]'), 'from: unknown stage "tehn"; did you mean "then"'),
        (BOTH.replace('["one", "then"]', '["one", "base"]'), '"base" is no reward model; an ensemble averages rewards'),
        (BOTH + "beta = 0.1\n", 'an ensemble is not trained: unknown option "beta"'),
        (BOTH + BOTH.replace('"all"', '"more"').replace('"then"]', '"all"]'), '"all" is an ensemble, not one model'),
        (
            BOTH + '[[stage]]\nname = "next"\nmethod = "reward"\ndata = "voices"\nfrom = "all"\n',
            'from: "all" is an ensemble, not one model',
        ),
    ],
)
def test_what_cannot_be_one_is_refused_with_its_place(prepared, text, message):
    with pytest.raises(InputError, match=r"run\.toml: stage ") as refused:
        prepared(HEAD + text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


FOUND = """
base = "{base}"
[[stage]]
name = "one"
model = "REWARD"
dtype = "bfloat16"
device = "cpu"
[[stage]]
name = "then"
model = "REWARD"
[[audit]]
uses = "preferences"
rows = "{rows}"
"""


def test_a_member_is_loaded_as_its_own_stage_says(prepared, base, tmp_path):
    save(*make_reward_model(base, seed=0), tmp_path / "reward")
    found = prepared(FOUND.replace("REWARD", str(tmp_path / "reward")) + BOTH)
    rung = found.rung("all")
    assemble(rung, found, {})
    members = load(rung, found).describe()["members"]
    assert {name: member["dtype"] for name, member in members.items()} == {"one": "bfloat16", "then": "float32"}
    assert members["one"]["device"] == "cpu"
    assert audit_entry(rung, found.exams[0], found).made_of["dtype"] == "bfloat16, float32"


def test_the_recipe_of_policies_can_be_run_and_holds_out_the_same_prompts(tmp_path):
    recipe = Path(__file__).parents[2] / "recipes" / "reward_policies.toml"
    found = prepare(read(recipe), tmp_path)
    assert found.rung("sequential").stage.parents == ("then_india",)
    assert len(found.rung("ensemble").stage.parents) == 3
    trained = {pair.prompt_id for voices in found.voices for pair in voices.train}
    assert not trained & {pair.prompt_id for voices in found.voices for pair in voices.held_out}
    assert {item.slices["group"] for item in found.exams[0].items} == {"united_states", "india", "nigeria"}
