"""A stage that learns by RLOO, in a run file: its rewards are found, checked, part of its key, and used."""

import json
import shutil
from pathlib import Path

import pytest

from pluralign.errors import InputError
from pluralign.run.execute import execute
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare
from pluralign.runfile.read import read

HEAD = """
base = "{base}"
[data.voices]
rows = "voices.jsonl"
held_out = 0.3
"""
JUDGE = """
[[stage]]
name = "judge"
method = "reward"
data = "voices"
max_steps = 1
"""
RLOO = """
[[stage]]
name = "rloo"
method = "rloo"
data = "voices"
batch_size = 4
max_steps = 2
num_generations = 3
max_completion_length = 6
"""
BY_REWARD = """
reward = ["judge", "functions.py:short"]
eval_steps = 1
load_best_model_at_end = true
metric_for_best_model = "worst/eval_rewards/judge/mean"
"""
FUNCTIONS = """
def short(prompts, completions, **columns):
    return [-len(text) / 10 for text in completions]

def letters(prompts, completions, **columns):
    return [float("a" in text) for text in completions]
"""


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture
def prepared(tmp_path, base):
    rows = [
        {
            "prompt": f"tell {number} ",
            "chosen": "the",
            "rejected": "in",
            "group": "ab"[number % 2],
            "prompt_id": str(number),
        }
        for number in range(20)
    ]
    (tmp_path / "voices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "functions.py").write_text(FUNCTIONS, encoding="utf-8")

    def of(text: str) -> Prepared:
        path = tmp_path / "run.toml"
        path.write_text(text.format(base=base), encoding="utf-8")
        return prepare(read(path), tmp_path / "runs")

    return of


def steps(prepared: Prepared, stage: str) -> list[dict]:
    entry = prepared.rung(stage).entry
    assert entry is not None
    lines = (entry.folder(prepared.folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == "step"]


def test_a_stage_learns_from_several_rewards_with_weights(prepared):
    weights = 'reward = ["judge", "functions.py:short"]\nreward_weights = [0.5, 2.0]\n'
    made = prepared(HEAD + RLOO + weights + JUDGE)
    execute(made, command="test")
    first, second = steps(made, "rloo")
    for record in (first, second):
        parts = [record[f"rewards/{name}/mean"] for name in ("judge", "functions.py:short")]
        assert record["reward"] == pytest.approx(0.5 * parts[0] + 2.0 * parts[1])
    assert first["kl"] == pytest.approx(0.0, abs=1e-5)
    assert [rung.stage.name for rung in made.rungs] == ["base", "judge", "rloo"]


def test_an_ensemble_rewards_by_the_mean_of_its_members(prepared):
    one, two = JUDGE.replace("judge", "one"), JUDGE.replace("judge", "two").replace("max_steps", "seed = 5\nmax_steps")
    both = '[[stage]]\nname = "both"\nmethod = "ensemble"\nfrom = ["one", "two"]\n'
    made = prepared(HEAD + one + two + both + RLOO + 'reward = ["both", "one", "two"]')
    execute(made, command="test")
    for record in steps(made, "rloo"):
        whole, *parts = (record[f"rewards/{name}/mean"] for name in ("both", "one", "two"))
        assert whole == pytest.approx(sum(parts) / 2)
        assert parts[0] != pytest.approx(parts[1])


def test_what_was_best_may_be_told_by_one_reward_of_several(prepared):
    made = prepared(HEAD + RLOO + BY_REWARD + JUDGE)
    execute(made, command="test")
    lines = (made.rung("rloo").model / "log.jsonl").read_text(encoding="utf-8").splitlines()
    *_, best = records = [json.loads(line) for line in lines]
    worst = [
        min(record["groups"]["eval_rewards/judge/mean"].values()) for record in records if record["event"] == "held_out"
    ]
    assert (best["event"], best["value"]) == ("best", max(worst))


def test_the_key_holds_the_reward(prepared, tmp_path):
    def key(reward: str, options: str = "") -> str:
        return (
            prepared(HEAD + JUDGE.replace("max_steps = 1", f"max_steps = 1\n{options}") + RLOO + reward)
            .rung("rloo")
            .stage.key
        )

    plain = key('reward = "judge"')
    assert key('reward = "judge"') == plain
    assert key('reward = "judge"', "label_smoothing = 0.1") != plain
    assert key('reward = "http://localhost:8000"') == key('reward = "http://localhost:8000"')
    assert key('reward = "http://localhost:8000"') != key('reward = "http://localhost:8001"')
    function = key('reward = "functions.py:short"')
    assert function != key('reward = "functions.py:letters"')
    both = 'reward = ["functions.py:short", "functions.py:letters"]\nreward_weights = [1.0, 5.0]'
    other_way = 'reward = ["functions.py:letters", "functions.py:short"]\nreward_weights = [1.0, 5.0]'
    assert key(both) != key(other_way)
    assert key('reward = "functions.py:short"\nvllm_server_timeout = 9.0') == function
    (tmp_path / "functions.py").write_text(FUNCTIONS + "\nLIMIT = 3\n", encoding="utf-8")
    assert function != key('reward = "functions.py:short"')


def test_a_function_that_changes_while_the_run_is_under_way_is_not_learnt_from(prepared, tmp_path):
    made = prepared(HEAD + RLOO + 'reward = "functions.py:short"')
    (tmp_path / "functions.py").write_text(FUNCTIONS.replace("/ 10", "/ 20"), encoding="utf-8")
    with pytest.raises(InputError, match='short" has changed since the run began'):
        execute(made, command="test")
    assert not made.rung("rloo").model.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RLOO, 'stage "rloo": option "reward" is missing'),
        (RLOO + 'reward = "jugde"' + JUDGE, 'stage "rloo": reward: unknown stage "jugde"; did you mean "judge"'),
        (RLOO + 'reward = "base"', 'reward: "base" is no reward model'),
        (RLOO + 'reward = "functions.py:shrt"', 'unknown function "shrt"; did you mean "short"'),
        (RLOO + 'reward = "function.py:short"', 'there is no file "function.py"'),
        (RLOO + 'reward = "nowhere.at_all:short"', 'the module "nowhere.at_all" cannot be imported'),
        (RLOO + 'reward = "ftp://host"', "no address of a server"),
        (RLOO + 'reward = ["judge", "judge"]' + JUDGE, "reward names one twice"),
        (RLOO + 'reward = "judge"\nreward_weights = [1.0, 2.0]' + JUDGE, "reward_weights has 2 for 1 rewards"),
        (RLOO + 'reward = "judge"\nbeta = -1.0' + JUDGE, "beta must be"),
        (
            RLOO + 'reward = "judge"\nmax_length = 6' + JUDGE,
            'stage "rloo": max_completion_length = 6 leaves no prompt any room in max_length = 6',
        ),
        (
            RLOO + BY_REWARD.replace("judge/mean", "jugde/mean") + JUDGE,
            'unknown measure "eval_rewards/jugde/mean"; did you mean "eval_rewards/judge/mean"',
        ),
        (RLOO + 'reward = "judge"\nweighting = "group_dro"' + JUDGE, 'weighting "group_dro": weighs by losses'),
        (
            RLOO + 'reward = "judge"\neval_steps = 1\nload_best_model_at_end = true' + JUDGE,
            'metric_for_best_model = "eval_loss": the loss of what a policy has just written says nothing',
        ),
        (JUDGE + 'reward = "functions.py:short"', "reward: only methods that write completions use it"),
    ],
)
def test_what_cannot_be_a_reward_is_refused_before_anything_is_computed(prepared, text, message):
    with pytest.raises(InputError) as caught:
        prepared(HEAD + text)
    assert message in str(caught.value)


def test_an_error_of_a_reward_ends_the_stage_with_one_line(prepared, tmp_path: Path):
    from pluralign.errors import RunError

    (tmp_path / "functions.py").write_text(
        "def short(prompts, completions, **columns):\n    return [None] * len(prompts)\n"
    )
    with pytest.raises(RunError, match=r'stage rloo.*reward "functions.py:short": nan for completion 0 of prompt'):
        execute(prepared(HEAD + RLOO + 'reward = "functions.py:short"'), command="test")


def test_a_reward_model_that_cannot_read_the_prompts_is_refused(tiny, tmp_path, prepared, base):
    from pluralign.engine.loading.load import make_reward_model, save

    save(*make_reward_model(base, seed=0), tmp_path / "judge")
    talking = tiny.save_model(tmp_path / "talking", "llama", chat=True)
    messages = [{"role": "user", "content": "Hello"}]
    row = {"prompt": messages, "chosen": [{"role": "assistant", "content": "the"}], "group": "a"}
    row["rejected"] = [{"role": "assistant", "content": "in"}]
    rows = "".join(json.dumps(row | {"prompt_id": str(number)}) + "\n" for number in range(20))
    (tmp_path / "voices.jsonl").write_text(rows, encoding="utf-8")
    found = f'[[stage]]\nname = "judge"\nmodel = "{tmp_path / "judge"}"\n'
    text = (HEAD + found + RLOO).replace("{base}", str(talking)) + 'reward = "judge"'
    with pytest.raises(InputError, match=r'stage "rloo".*no chat template for a conversation'):
        prepared(text)


def test_a_reference_that_takes_fewer_tokens_than_may_be_written_is_refused(prepared, base, tmp_path):
    shutil.copytree(base, tmp_path / "short")
    settings = tmp_path / "short" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_position_embeddings": 40}))
    short = f'[[stage]]\nname = "short"\nmodel = "{tmp_path / "short"}"\n'
    text = HEAD + short + RLOO + 'reward = "functions.py:short"\nreference = "short"\n'
    with pytest.raises(InputError, match=r'reference: "short" takes 40 tokens.*up to 160; lower max_length'):
        prepared(text)
    prepared(text + "max_length = 40")
