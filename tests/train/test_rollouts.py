"""Training on what the policy writes: the same seed writes the same, the reward rises, a killed training goes on."""

import json
import math
from dataclasses import replace

import pytest
import torch

from pluralign.data.render import render_prompt
from pluralign.data.template import PLAIN
from pluralign.engine.loading.load import load_causal, load_reward, make_reward_model, save
from pluralign.engine.logprobs import logprobs
from pluralign.engine.reward_head import rewards
from pluralign.errors import RunError
from pluralign.methods import rloo
from pluralign.records.fork import Fork
from pluralign.records.preference import Message, Preference
from pluralign.records.training import Training
from pluralign.train.examples import Renderer
from pluralign.train.loop import Job, train
from pluralign.train.order import choose
from pluralign.train.rewarding import FunctionReward, ModelReward, Written
from pluralign.train.rollouts import make_rollouts
from pluralign.weightings import uniform

FAST = Training(learning_rate=3e-3, batch_size=4, num_train_epochs=1.0, warmup_ratio=0.0)
SHORT = rloo.Options(num_generations=4, max_completion_length=8, beta=0.05)


def letters(prompts, completions, **columns):
    """The share of the letters a to m, all that the policy has to learn to write."""
    return [sum("a" <= letter <= "m" for letter in text) / 8 for text in completions]


LETTERS = FunctionReward(name="letters", function=letters)


def preference(number: int) -> Preference:
    """Prompts of two groups, in two languages that cut across the groups."""
    return Preference(
        prompt=f"tell {'x' * (number % 5)} ",
        chosen="a",
        rejected="b",
        group=("one", "two")[number % 2],
        prompt_id=str(number),
        source="test",
        language=("en", "de", "de")[number % 3],
    )


PREFERENCES = tuple(map(preference, range(12)))


@pytest.fixture(scope="module")
def base(tiny, tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("base"), "llama", bos=True)


@pytest.fixture
def job(base, tmp_path):
    return Job(
        method=rloo,
        options=SHORT,
        training=FAST,
        parent=base,
        preferences=PREFERENCES,
        held_out=tuple(map(preference, range(12, 18))),
        weighting=uniform,
        seed=0,
        template=PLAIN,
        out=tmp_path / "out",
        device="cpu",
    )


def online(job: Job, reward=LETTERS, **changes) -> Job:
    job = replace(job, **changes)
    return replace(job, rollouts=make_rollouts(job, [reward]))


def log(job: Job, event: str = "step") -> list[dict]:
    lines = (job.out / "log.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == event]


@pytest.fixture
def prompts(job, base):
    _, tokenizer = load_causal(base, device="cpu")
    renderer = Renderer(completions=rloo.completions, tokenizer=tokenizer, template=PLAIN, max_length=100, reserved=8)
    return renderer.render(PREFERENCES)[0]


def test_prompts_are_rendered_as_they_are_continued_and_leave_room(base, prompts):
    _, tokenizer = load_causal(base, device="cpu")
    assert [example.fork.prompt for example in prompts] == [render_prompt(p.prompt, tokenizer) for p in PREFERENCES]
    longest = max(len(example.fork.prompt) for example in prompts)
    renderer = Renderer(
        completions=rloo.completions, tokenizer=tokenizer, template=PLAIN, max_length=longest + 7, reserved=8
    )
    kept, fitting = renderer.render(PREFERENCES)
    assert max(len(example.fork.prompt) for example in kept) == longest - 1
    assert sum(fitting.prompt_too_long.values()) == len(PREFERENCES) - len(kept) > 0


def test_what_is_written_follows_from_seed_step_and_place_alone(job, base, prompts):
    model, _ = load_causal(base, device="cpu")
    written = online(job).rollouts(model, 3, prompts)
    again = online(job, training=replace(FAST, token_budget=40)).rollouts(model, 3, prompts[:5])
    assert [example.fork for example in again] == [example.fork for example in written[:5]]
    for other in (online(job).rollouts(model, 4, prompts), online(job, seed=1).rollouts(model, 3, prompts)):
        assert all(one.fork != two.fork for one, two in zip(other, written, strict=True))


def test_what_is_known_of_completions_is_what_it_is_said_to_be(job, base, prompts):
    model, tokenizer = load_causal(base, device="cpu")
    written = online(job, options=replace(SHORT, temperature=1.7)).rollouts(model, 1, prompts)
    end = tokenizer.eos_token_id
    for example in written:
        for place, ids in enumerate(example.fork.completions):
            assert example.answers.truncated[place] == (end not in ids)
            assert len(ids) == 8 or ids[-1] == end
            text = tokenizer.decode(list(ids), skip_special_tokens=True)
            assert example.answers.rewards[place] == pytest.approx(letters([""], [text])[0])
    fork = written[0].fork
    logits = model(torch.tensor([fork.prompt + fork.completions[0]])).logits[0].double() / 1.7
    ids = torch.tensor((*fork.prompt, *fork.completions[0]))
    own = logits.log_softmax(dim=-1)[torch.arange(len(ids) - 1), ids[1:]]
    assert written[0].reference[0] == pytest.approx(own[len(fork.prompt) - 1 :].sum().item(), abs=1e-4)


def test_the_reward_rises_and_the_log_tells_of_groups_and_languages(job):
    job = online(job, training=replace(FAST, num_train_epochs=6.0, learning_rate=1e-2))
    train(job)
    found = log(job)
    rewards_seen = [record["reward"] for record in found]
    assert sum(rewards_seen[-4:]) > sum(rewards_seen[:4]) + 0.4
    first, last = found[0], found[-1]
    assert first["kl"] == pytest.approx(0.0, abs=1e-5)
    assert last["kl"] > 0.01
    assert first["loss"] == pytest.approx(0.0, abs=1e-9)
    assert first["grad_norm"] > 0
    assert set(last["groups"]["reward"]) <= {"one", "two"}
    assert set(last["languages"]["reward"]) <= {"en", "de"}
    assert first["rewards/letters/mean"] == pytest.approx(first["reward"])
    assert first["completions/min_length"] >= 1
    assert first["completions/max_length"] <= 8
    (held_out,) = log(job, "held_out")
    assert held_out["eval_reward"] > rewards_seen[0]
    assert set(held_out["groups"]["eval_reward"]) == {"one", "two"}
    assert set(held_out["languages"]["eval_reward"]) == {"en", "de"}


def test_the_gradient_is_that_of_the_definition(job, base):
    job = online(job, training=replace(FAST, max_steps=1, batch_size=12, max_grad_norm=0.0))
    train(job)
    model, tokenizer = load_causal(base, device="cpu")
    renderer = Renderer(completions=rloo.completions, tokenizer=tokenizer, template=PLAIN, max_length=100)
    examples = renderer.render(PREFERENCES)[0]
    order = choose(1, len(examples), batch_size=12, seed=0)
    written = job.rollouts(model, 1, [examples[index] for index in order])
    values = logprobs(model, [example.fork for example in written]).table()
    returns = torch.tensor([example.answers.rewards for example in written], dtype=torch.float64)
    total = -(rloo.leave_one_out(returns) * values).mean()
    total.backward()
    norm = math.sqrt(sum(float((weight.grad**2).sum()) for weight in model.parameters() if weight.grad is not None))
    assert log(job)[0]["grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert log(job)[0]["reward_std"] == pytest.approx(returns.std().item())


@pytest.mark.parametrize("changes", [{}, {"normalize_advantages": True}, {"num_iterations": 2}])
def test_many_small_passes_equal_one_large(job, tmp_path, changes):
    options = replace(SHORT, **changes)
    training = replace(FAST, max_steps=2, learning_rate=1e-4)
    large = online(job, options=options, training=replace(training, token_budget=10_000), out=tmp_path / "large")
    small = online(job, options=options, training=replace(training, token_budget=60), out=tmp_path / "small")
    train(large)
    train(small)
    for one, other in zip(log(large), log(small), strict=True):
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert one["reward"] == pytest.approx(other["reward"])
        assert one["num_tokens"] == other["num_tokens"]


def test_iterations_learn_from_the_same_completions_by_clipped_ratios(job):
    options = replace(SHORT, num_iterations=3, epsilon=0.01)
    job = online(job, options=options, training=replace(FAST, learning_rate=1e-2))
    train(job)
    found = log(job)
    assert len(found) == 9
    assert found[-1]["epoch"] == 1.0
    for start in (0, 3, 6):
        assert len({record["reward"] for record in found[start : start + 3]}) == 1
        assert found[start]["clip_ratio/region_mean"] == 0
        assert found[start + 2]["clip_ratio/region_mean"] > 0
    told = ("reward", "reward_std", "completions/mean_length")
    assert len({tuple(record[name] for name in told) for record in found}) == 3


def test_a_training_that_ended_between_iterations_goes_on_to_the_same_bits(job, tmp_path):
    options = replace(SHORT, num_iterations=3)
    training = replace(FAST, save_steps=1)
    whole = online(job, options=options, training=training, key="k", out=tmp_path / "whole")
    train(whole)

    def end(**news):
        if news["completed"] == 5:
            raise KeyboardInterrupt

    torn = online(job, options=options, training=training, key="k", out=tmp_path / "torn", on_step=end)
    with pytest.raises(KeyboardInterrupt):
        train(torn)
    train(replace(torn, on_step=None))
    assert (torn.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()
    assert log(torn) == log(whole)


def test_another_model_as_reference_and_none(job, tiny, tmp_path, base, prompts):
    other = tiny.save_model(tmp_path / "other", "llama", seed=7, bos=True)
    model, _ = load_causal(base, device="cpu")
    written = online(job, reference=other).rollouts(model, 1, prompts)
    theirs, _ = load_causal(other, device="cpu")
    with torch.no_grad():
        expected = logprobs(theirs, [example.fork for example in written]).table()
    assert torch.allclose(torch.tensor([example.reference for example in written]).double(), expected, atol=1e-4)
    alone = online(job, options=replace(SHORT, beta=0.0)).rollouts
    assert alone.reference is None
    assert all(example.reference is None for example in alone(model, 1, prompts))


def test_with_lora_the_reference_is_the_policy_without_its_adapter(job):
    pytest.importorskip("peft")
    training = replace(FAST, lora_r=4, learning_rate=2e-2, max_steps=3)
    apart = online(job, training=training)
    assert apart.rollouts.reference is None
    train(apart)
    beside = online(job, training=training, out=job.out.with_name("beside"))
    model, _ = load_causal(job.parent, device="cpu")
    object.__setattr__(beside.rollouts, "reference", model)
    train(beside)
    kl = [record["kl"] for record in log(apart)]
    assert kl[0] == pytest.approx(0.0, abs=1e-5)
    assert abs(kl[-1]) > 1e-3
    assert kl == pytest.approx([record["kl"] for record in log(beside)], abs=1e-4)


def test_a_reward_model_reads_the_texts_by_its_own_tokenizer_and_template(job, tiny, tmp_path):
    folder = tmp_path / "judge"
    save(*make_reward_model(tiny.save_model(tmp_path / "j", "gpt2", seed=3, chat=True), seed=0), folder)
    judge = ModelReward.load("judge", folder, template=PLAIN, device="cpu")
    texts = ("ab", "", "the th")
    plain = replace(preference(0), prompt="tell ")
    spoken = replace(preference(1), prompt=(Message(role="user", content="tell"),))
    found = judge.rewards([Written(plain, texts), Written(spoken, texts)])
    model, tokenizer = load_reward(folder, device="cpu")
    for values, prompt in zip(found, ("tell ", "<user>tell\n<assistant>"), strict=True):
        for value, text in zip(values, texts, strict=True):
            ids = (*tokenizer(prompt + text)["input_ids"], tokenizer.eos_token_id)
            with torch.no_grad():
                alone = rewards(model, [Fork(ids[:1], (ids[1:],))]).values.item()
            assert value == pytest.approx(alone, abs=1e-4)


def test_a_missing_reward_is_an_error_that_names_the_prompt(job):
    def nothing(prompts, completions, prompt_id, **columns):
        return [None if name == "7" else 1.0 for name in prompt_id]

    job = online(job, reward=FunctionReward(name="nothing", function=nothing))
    with pytest.raises(RunError, match='reward "nothing": nan for completion 0 of prompt "7" of test'):
        train(job)


def test_no_gradient_is_held_while_the_policy_writes(job):
    job = online(job)
    held = []

    def rollouts(model, step, examples):
        held.append(sum(weight.grad is not None for weight in model.parameters()))
        return job.rollouts(model, step, examples)

    train(replace(job, rollouts=rollouts))
    assert held == [0] * 4
