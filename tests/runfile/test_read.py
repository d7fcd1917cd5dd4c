"""A run file is refused with one line that names file, place, value and nearest fix, or read whole."""

from pathlib import Path

import pytest

from pluralign.errors import InputError
from pluralign.runfile.parts import RunFile
from pluralign.runfile.read import read

BEST = 'eval_steps = 0.5\nearly_stopping_patience = 2\nmetric_for_best_model = "{}"'

GOOD = """
title = "Who gains?"
base = "sandbox"
seed = 3

[vars]
steepness = 0.2

[data.voices]
rows = "sandbox"
shares = { us = 0.5, india = 0.5 }

[[stage]]
name = "dpo"
method = "dpo"
from = "sft"
data = "voices"
beta = "${steepness}"

[[stage]]
name = "sft"
method = "sft"
data = "voices"
learning_rate = 1e-3

[[audit]]
uses = "dialects"
rows = "sandbox"
"""


def parse(tmp_path: Path, text: str, *settings: str) -> RunFile:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return read(path, settings)


def refusal(tmp_path: Path, text: str, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(tmp_path, text, *settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    run = parse(tmp_path, GOOD)
    sft, dpo = run.stages
    assert (sft.name, dpo.name) == ("sft", "dpo"), "stages stand after their parents"
    assert run.general.seed == 3
    assert dpo.options.beta == 0.2
    assert sft.training is not None
    assert sft.training.learning_rate == 1e-3
    assert run.data[0].header.shares == {"us": 0.5, "india": 0.5}
    assert run.audits[0].name == "dialects"


def test_settings_fill_variables_and_override_options(tmp_path: Path) -> None:
    run = parse(tmp_path, GOOD, "steepness=0.7", "sft.learning_rate=2e-4", "seed=9", "data.voices.held_out=0.25")
    sft, dpo = run.stages
    assert dpo.options.beta == 0.7
    assert sft.training is not None
    assert sft.training.learning_rate == 2e-4
    assert run.general.seed == 9
    assert run.data[0].header.held_out == 0.25


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("beta =", "betta =", 'run.toml: stage "dpo": unknown option "betta"; did you mean "beta"?'),
        ('method = "dpo"', 'method = "dpoo"', 'run.toml: stage "dpo": unknown method "dpoo"; did you mean "dpo"?'),
        ('uses = "dialects"', 'uses = "dialect"', 'unknown audit "dialect"; did you mean "dialects"?'),
        ('from = "sft"', 'from = "sfft"', 'run.toml: stage "dpo": from: unknown stage "sfft"; did you mean "sft"?'),
        ("seed = 3", "sede = 3", 'run.toml: unknown option "sede"; did you mean "seed"?'),
        ("seed = 3", 'seed = "three"', 'option "seed"'),
        ("seed = 3", "seed = true", 'option "seed"'),
        ("learning_rate = 1e-3", 'learning_rate = "fast"', 'run.toml: stage "sft": option "learning_rate"'),
        ("learning_rate = 1e-3", "learning_rate = -1.0", "above 0"),
        ("beta =", "beta = inf\nlabel_smoothing =", 'option "beta" = inf: must be a finite number'),
        ("us = 0.5", "us = nan", "option \"shares\" = {'us': nan, 'india': 0.5}: must be of finite numbers"),
        ('data = "voices"\nbeta', 'reference = 3\ndata = "voices"\nbeta', 'option "reference" = 3: input should be'),
        ('data = "voices"\nbeta', 'reward = 3\ndata = "voices"\nbeta', 'option "reward" = 3: input should be'),
        ("us = 0.5, india", 'us = "half", india', "option \"shares.us\" = 'half'"),
        ("[[audit]]", "[data.more]\nrows = 'sandbox'\nheld_out = true\n[[audit]]", 'option "held_out" = True'),
        ("learning_rate = 1e-3", 'learning_rate = "3e-4"', "option \"learning_rate\" = '3e-4'"),
        ("learning_rate = 1e-3", "max_steps = true", 'option "max_steps" = True'),
        ("seed = 3", "seed = 4294967296", "seed must be at least 0 and below 2**32"),
        ('from = "sft"', 'from = ["sft"]', "must be the name of one stage"),
        ('method = "sft"', 'method = ".sft"', 'unknown method ".sft"; did you mean "sft"?'),
        ('method = "sft"\ndata', 'model = "x/y"\ndata', 'a model that exists is not trained, so it takes no "data"'),
        ('uses = "dialects"', 'uses = "dialects"\ndata = "voices"', 'either "rows" or "data", not both'),
        ('name = "sft"', 'name = "dpo"', 'the name "dpo" is given twice'),
        ('name = "sft"', 'name = "base"', "choose another name"),
        ('name = "sft"', 'name = "../sft"', "use letters, digits"),
        ('data = "voices"', 'data = "voice"', 'unknown data set "voice"; did you mean "voices"?'),
        ('method = "sft"', 'method = "sft"\nfrom = "dpo"', "stages form a loop"),
        ('method = "sft"', 'method = "sft"\nmodel = "x/y"', "either a method (to train it) or a model"),
        ('rows = "sandbox"\nshares', 'row = "sandbox"\nshares', 'unknown option "row"; did you mean "rows"?'),
        ("beta =", "load_best_model_at_end = true\nbeta =", "load_best_model_at_end needs eval_steps"),
        ("learning_rate = 1e-3", BEST.format("eval_los"), 'unknown measure "eval_los"; did you mean "eval_loss"?'),
        ("learning_rate = 1e-3", BEST.format("worst/eval_rewards/accuracies"), 'stage "sft": metric_for_best_model'),
        ("[[audit]]", "[audit]", "two brackets"),
        ('uses = "dialects"', 'uses = "dialects"\nadjustment = "hom"', "option \"adjustment\" = 'hom'"),
        ("seed = 3", "seed = ", "run.toml: not TOML"),
        ('base = "sandbox"', "", 'option "base" is missing'),
        ("[vars]\nsteepness = 0.2", "", "give --set steepness=VALUE"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert expected in refusal(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("steepnes=1", 'unknown variable "steepnes"; did you mean "steepness"?'),
        ("steepness", "write NAME=VALUE"),
        ("dpp.beta=1", 'unknown part "dpp"; did you mean "dpo"?'),
        ("dpo.betta=1", 'unknown option "betta"; did you mean "beta"?'),
        ("voices.rows=", 'run.toml: data "voices": rows = "" names nothing; give a file'),
        ("dialects.rows=", 'run.toml: audit "dialects": rows = "" names nothing; give a file'),
    ],
)
def test_faulty_settings_are_named(tmp_path: Path, setting: str, expected: str) -> None:
    assert expected in refusal(tmp_path, GOOD, setting)


def test_sections_of_the_wrong_shape_are_refused_before_settings(tmp_path: Path) -> None:
    for wrong in ("vars = 3", "stage = 3", "data = 3", "recorded = 3", "audit = [1]"):
        section = wrong.partition(" ")[0]
        assert f"[{section}" in refusal(tmp_path, f'base = "sandbox"\n{wrong}\n', "dpo.beta=1")


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "quickstart.toml").touch()
    with pytest.raises(InputError, match=r"there is no such run file; beside it: .*quickstart\.toml"):
        read(tmp_path / "quickstrat.toml")


def test_a_loop_is_drawn(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace('method = "sft"', 'method = "sft"\nfrom = "dpo"'))
    assert "dpo → sft → dpo" in message or "sft → dpo → sft" in message


def test_a_users_own_file_is_a_plug_in(tmp_path: Path) -> None:
    text = "VERSION = 1\nMEASURES = {}\nDESCRIPTION = ''\nitems = read = print\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    run = parse(tmp_path, GOOD.replace('uses = "dialects"', 'uses = "mine.py"'))
    assert run.audits[0].name == "mine"


def test_audits_without_a_name_are_called_as_the_run_file_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "VERSION = 1\nMEASURES = {}\nDESCRIPTION = ''\nitems = read = print\n"
    for name in ("ours", "theirs", "mine"):
        path = tmp_path / "named_lab" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(own, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names = ("named_lab.ours", "named_lab.theirs", "named_lab/mine.py")
    text = 'base = "sandbox"\n' + "".join(f'[[audit]]\nuses = "{name}"\nrows = "sandbox"\n' for name in names)
    run = parse(tmp_path, text, "named_lab.theirs.limit=3", "mine.limit=4")
    limits = {audit.name: audit.header.limit for audit in run.audits}
    assert limits == {"named_lab.ours": None, "named_lab.theirs": 3, "mine": 4}


def test_paths_of_an_adapter_are_looked_for_beside_the_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "@dataclass(frozen=True, kw_only=True)\nclass Options:\n    data_root: Path\n"
    adapter = f"from dataclasses import dataclass\nfrom pathlib import Path\nVERSION = 1\n{options}"
    (tmp_path / "adapter.py").write_text(adapter + "stages = rows = replies = print\n", encoding="utf-8")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "elsewhere" / "near").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    for given, found in (("outputs", tmp_path / "outputs"), ("near", Path("near")), ("absent", Path("absent"))):
        run = parse(tmp_path, f'[recorded]\nuses = "adapter.py"\ndata_root = "{given}"\n')
        assert run.recorded is not None
        assert run.recorded.options.data_root == found


def test_a_users_own_file_that_does_not_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import no_such_module\n", encoding="utf-8")
    assert "No module named 'no_such_module'" in refusal(tmp_path, GOOD.replace('"dialects"', '"mine.py"'))


def test_a_users_own_file_that_lacks_something_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("VERSION = 1\nMEASURES = {}\nDESCRIPTION = ''\nitems = print\n", encoding="utf-8")
    assert 'mine.py has no "read"; it needs' in refusal(tmp_path, GOOD.replace('"dialects"', '"mine.py"'))
