"""What `pluralign audit` cannot use is refused in one clear line: nothing is loaded, and nothing is left behind."""

import json
import subprocess
import sys

import pytest

from pluralign.cli import app
from pluralign.errors import InputError

GOOD = ("base=sandbox", "--audits", "dialects")

REFUSED = {
    "no model": (("--audits", "dialects"), "audit: name the models, such as base=HUB_OR_PATH tuned=HUB_OR_PATH"),
    "a model without a name": (("sandbox", *GOOD[1:]), 'audit: "sandbox": write NAME=MODEL, such as base=sandbox'),
    "a second without a name": ((GOOD[0], "a/b", *GOOD[1:]), 'audit: "a/b": write NAME=MODEL, such as tuned=a/b'),
    "a name without a model": ((GOOD[0], "dpo=", *GOOD[1:]), 'audit: "dpo=": write NAME=MODEL, such as tuned=dpo'),
    "the first not called base": (
        ("small=sandbox", *GOOD[1:]),
        "the first model is the one below all others: write base=sandbox",
    ),
    "a name twice": ((GOOD[0], "a=x/y", "a=x/z", *GOOD[1:]), 'audit: "a=x/z": the name "a" is given twice'),
    "a name with a space": ((GOOD[0], "a b=sandbox", *GOOD[1:]), "name = 'a b': use letters, digits"),
    "no such folder": ((GOOD[0], "tuned=nowhere", *GOOD[1:]), 'audit: tuned: model "nowhere": there is no such folder'),
    "a folder that is no model": (
        (GOOD[0], "tuned=.", *GOOD[1:]),
        'audit: tuned: model ".": the folder holds no config.json',
    ),
    "an unknown audit": (
        (GOOD[0], "--audits", "belebele,dialetcs"),
        '--audits: unknown audit "dialetcs"; did you mean "dialects"?',
    ),
    "no audit": (
        (GOOD[0], "--audits", " ,"),
        "--audits: name at least one; known: belebele, ",
    ),
    "an audit twice": ((GOOD[0], "--audits", "dialects,dialects"), 'the name "dialects" is given twice'),
    "no data in the sandbox": (
        (GOOD[0], "--audits", "tydiqa"),
        "--audits tydiqa: the sandbox has no data for it; say where they are: --set tydiqa.rows=FILE",
    ),
    "no data at all": (
        ("base=x/y", "--audits", "dialects"),
        "--audits dialects: no data come with it; say where they are: --set dialects.rows=FILE",
    ),
    "a limit of nothing": ((*GOOD, "--limit", "0"), "--limit 0: must be at least 1"),
    "an unknown part": (
        (*GOOD, "--set", "dialetcs.rows=x"),
        'audit: --set "dialetcs.rows=x": unknown part "dialetcs"; did you mean "dialects"?',
    ),
    "an unknown variable": ((*GOOD, "--set", "rows=x"), 'audit: --set: unknown variable "rows"'),
    "an unknown option": (
        (*GOOD, "--set", "dialects.shots=1"),
        'sandbox.toml: audit "dialects": unknown option "shots"',
    ),
    "a dtype of no kind": ((*GOOD, "--dtype", "float31"), "sandbox.toml: option \"dtype\" = 'float31'"),
    "a name with a folder": ((*GOOD, "--name", "a/b"), '--name "a/b": give a plain name, without folders'),
    "a file for a folder": ((*GOOD, "--runs", "file/runs"), '--runs: "file" is a file, not a folder'),
}


@pytest.mark.parametrize(("arguments", "expected"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_and_leaves_nothing(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pluralign.run.execute.execute", lambda *_, **__: pytest.fail("it was run"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        app(["audit", *arguments], exit_on_error=False, print_error=False, result_action="return_value")
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_a_reward_model_is_no_base(tiny, tmp_path, monkeypatch):
    folder = tiny.save_model(tmp_path / "judge", "llama")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    judge = config | {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "reward"}}
    (folder / "config.json").write_text(json.dumps(judge), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    arguments = ["audit", "base=judge", "--audits", "dialects", "--set", "dialects.rows=sandbox"]
    with pytest.raises(InputError, match=r"judge\.toml: base: .* is a reward model"):
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    assert not (tmp_path / "runs").exists()


def test_a_refusal_on_the_real_command_line_is_one_line_and_loads_no_torch(tmp_path):
    code = (
        "import sys\n"
        "sys.argv = ['pluralign', 'audit', 'base=sandbox', 'tuned=nowhere', '--audits', 'dialects']\n"
        "from pluralign.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert done.stderr.startswith("pluralign: audit: tuned: model")
    assert len(done.stderr.splitlines()) == 1
