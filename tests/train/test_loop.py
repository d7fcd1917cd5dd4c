import json
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import normalizers
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from pluralign.data.render import render
from pluralign.data.template import Template
from pluralign.engine.loading.load import load_causal, load_reward, save
from pluralign.engine.logprobs import logprobs
from pluralign.engine.reward_head import rewards
from pluralign.errors import InputError, RunError
from pluralign.methods import dpo, reward, sft
from pluralign.records.training import Training
from pluralign.train.examples import Renderer
from pluralign.train.journal import Journal
from pluralign.train.loop import Job, train

FAST = Training(learning_rate=3e-3, batch_size=4, num_train_epochs=4.0, warmup_ratio=0.0)


@pytest.fixture
def job(job):
    return replace(job, training=FAST)


def of(job: Job, method: ModuleType, **changes) -> Job:
    return replace(job, method=method, options=method.Options(), **changes)


def log(job: Job) -> list[dict]:
    return [json.loads(line) for line in (job.out / "log.jsonl").read_text().splitlines()]


def steps(job: Job) -> list[dict]:
    return [record for record in log(job) if record["event"] == "step"]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", [sft, reward, dpo])
def test_training_lowers_the_loss_of_both_groups(job, method):
    job = of(job, method, training=replace(FAST, num_train_epochs=10.0))
    train(job)
    found = steps(job)
    assert len(found) == 30
    assert sum(record["loss"] for record in found[-3:]) < 0.7 * sum(record["loss"] for record in found[:3])
    held_out = log(job)[-1]
    assert held_out["event"] == "held_out"
    if method is not sft:
        accuracy = "eval_accuracy" if method is reward else "eval_rewards/accuracies"
        assert held_out["groups"][accuracy] == {"one": 1.0, "two": 1.0}
    assert set(held_out["groups"]["eval_loss"]) == {"one", "two"}


@pytest.mark.parametrize("method", [sft, reward, dpo])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(job, tmp_path, method):
    short = replace(FAST, num_train_epochs=1.0)
    jobs = [of(job, method, training=short, out=tmp_path / str(n), seed=seed) for n, seed in enumerate([5, 5, 6])]
    for each in jobs:
        train(each)
    assert weights(jobs[0].out) == weights(jobs[1].out)
    assert weights(jobs[0].out) != weights(jobs[2].out)
    assert (jobs[0].out / "log.jsonl").read_text() == (jobs[1].out / "log.jsonl").read_text()


@pytest.mark.parametrize("method", [sft, reward, dpo])
def test_many_small_passes_equal_one_large(job, tmp_path, method):
    # A small rate: Adam's first steps make a full step of a gradient that is nothing but rounding.
    training = replace(FAST, learning_rate=1e-4, max_steps=3)
    large = of(job, method, training=replace(training, token_budget=10_000), out=tmp_path / "large")
    small = of(job, method, training=replace(training, token_budget=30), out=tmp_path / "small")
    train(large)
    train(small)
    for one, other in zip(steps(large), steps(small), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)
        assert one["num_tokens"] == other["num_tokens"]
        assert one["group_losses"] == pytest.approx(other["group_losses"], abs=1e-5)
    for values, same in zip(log(large)[-1]["groups"].values(), log(small)[-1]["groups"].values(), strict=True):
        assert values == pytest.approx(same, abs=1e-4)


def test_the_first_dpo_step_starts_at_log_two(job):
    train(of(job, dpo, training=replace(FAST, max_steps=1)))
    first = steps(job)[0]
    assert first["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert first["rewards/margins"] == pytest.approx(0.0, abs=1e-5)
    assert first["group_losses"] == pytest.approx({"one": 0.693147, "two": 0.693147}, abs=1e-5)


def test_another_reference_gives_the_implicit_rewards_against_it(job, tiny, tmp_path):
    other = tiny.save_model(tmp_path / "other", "llama", seed=7, bos=True)
    job = replace(job, reference=other, training=replace(FAST, max_steps=1, batch_size=12))
    train(job)
    margins = []
    for folder in (job.parent, other):
        model, tokenizer = load_causal(folder, device="cpu")
        forks = [render(p.prompt, (p.chosen, p.rejected), tokenizer, end=True) for p in job.preferences]
        with torch.no_grad():
            table = logprobs(model, forks).table()
        margins.append(table[:, 0] - table[:, 1])
    expected = 0.1 * (margins[0] - margins[1])
    assert steps(job)[0]["rewards/margins"] == pytest.approx(expected.mean().item(), abs=1e-5)
    losses = -torch.nn.functional.logsigmoid(expected)
    by_group = {"one": losses[::2].mean().item(), "two": losses[1::2].mean().item()}
    assert steps(job)[0]["group_losses"] == pytest.approx(by_group, abs=1e-5)
    assert steps(job)[0]["rewards/accuracies"] == pytest.approx((expected > 0).double().mean().item())


def test_the_first_sft_loss_is_the_mean_over_completion_tokens(job, base):
    job = of(job, sft, training=replace(FAST, max_steps=1, batch_size=12))
    train(job)
    model, tokenizer = load_causal(base, device="cpu")
    total, count = 0.0, 0
    for each in job.preferences:
        prompt = len(tokenizer(each.prompt.rstrip()).input_ids)
        ids = torch.tensor([[*tokenizer(each.prompt + each.chosen).input_ids, tokenizer.eos_token_id]])
        labels = ids.clone()
        fork = render(each.prompt, (each.chosen,), tokenizer, end=True)
        labels[:, : len(fork.prompt)] = -100
        assert len(fork.prompt) >= prompt
        with torch.no_grad():
            tokens = int((labels != -100).sum())
            total += model(input_ids=ids, labels=labels).loss.item() * tokens
            count += tokens
    assert steps(job)[0]["loss"] == pytest.approx(total / count, abs=1e-5)


@pytest.mark.parametrize("method", [sft, dpo])
def test_a_trained_stage_loads_in_transformers_in_silence(job, capfd, caplog, method):
    train(of(job, method, training=replace(FAST, max_steps=1)))
    capfd.readouterr()
    caplog.clear()
    model, ours = AutoModelForCausalLM.from_pretrained(job.out), load_causal(job.out)[0]
    assert not caplog.records
    assert "not" not in capfd.readouterr().err
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, ours(input_ids=ids).logits)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert AutoTokenizer.from_pretrained(job.out)("the a").input_ids == load_causal(job.parent)[1]("the a").input_ids


def test_a_reward_stage_loads_in_transformers_and_gives_the_same_rewards(job, caplog):
    job = of(job, reward, training=replace(FAST, max_steps=2))
    train(job)
    caplog.clear()
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(job.out),
        AutoTokenizer.from_pretrained(job.out),
    )
    assert not caplog.records
    fork = render("one the ", ("aaa", "b"), tokenizer, end=True)
    rows = [fork.prompt + completion for completion in fork.completions]
    width = max(map(len, rows))
    padded = torch.tensor([[*row, *[tokenizer.pad_token_id] * (width - len(row))] for row in rows])
    ours, _ = load_reward(job.out)
    with torch.no_grad():
        theirs = model(input_ids=padded, attention_mask=(padded != tokenizer.pad_token_id).long()).logits[:, 0]
        torch.testing.assert_close(rewards(ours, [fork]).values.float(), theirs, rtol=0, atol=1e-5)


def test_a_reward_model_can_be_trained_further(job, tmp_path):
    first = of(job, reward, training=replace(FAST, max_steps=1))
    train(first)
    second = of(
        job, reward, training=replace(FAST, max_steps=1, learning_rate=1e-12), parent=first.out, out=tmp_path / "2"
    )
    train(second)
    torch.testing.assert_close(
        load_reward(first.out)[0].score.weight, load_reward(second.out)[0].score.weight, rtol=0, atol=1e-9
    )


def test_what_does_not_fit_is_counted_by_group(job, preference):
    odd = (
        preference(0, chosen="a" * 300),
        preference(1, prompt="b" * 300),
        preference(2, rejected=""),
        preference(3, prompt="c" * 300),
    )
    train(replace(job, preferences=(*job.preferences, *odd), training=replace(FAST, max_steps=1, max_length=64)))
    start = log(job)[0]
    assert start["preferences"] == len(job.preferences) + 1
    assert start["truncated"] == {"one": 1}
    assert start["left_out_prompt_too_long"] == {"two": 2}
    assert start["left_out_empty_completion"] == {"one": 1}
    train(replace(job, preferences=odd[:1], training=replace(FAST, batch_size=1, max_steps=1, max_length=64)))
    assert 64 < steps(job)[0]["num_tokens"] < 2 * 64
    with pytest.raises(InputError, match="no preference is left to train on: of 2"):
        train(replace(job, preferences=(odd[1], odd[3])))


def test_progress_is_told_after_every_step(job):
    told = []
    train(replace(job, training=replace(FAST, max_steps=2), on_step=lambda **news: told.append(news)))
    assert [(news["completed"], news["total"]) for news in told] == [(1, 2), (2, 2)]
    assert all("loss" in news["note"] for news in told)


def test_a_loss_that_is_no_number_ends_the_training_by_its_step(job, base, tmp_path):
    model, tokenizer = load_causal(base, device="cpu")
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    save(model, tokenizer, tmp_path / "broken")
    with pytest.raises(RunError, match=r"sft, step 1 of 12: the loss is nan"):
        train(of(job, sft, parent=tmp_path / "broken"))


def test_a_parent_that_is_no_model_is_refused(job, tmp_path):
    with pytest.raises(InputError, match="holds no config"):
        train(replace(job, parent=tmp_path))


def test_weights_follow_the_groups_losses_and_state_is_carried(job):
    seen = []

    def weigh(state, losses, options):
        seen.append((state, losses))
        worst = (losses.means == losses.means.max()).double()
        return worst / worst.sum(), len(seen)

    worst = ModuleType("worst")
    worst.NEEDS, worst.weigh = "losses", weigh
    train(replace(job, weighting=worst, training=replace(FAST, max_steps=3, token_budget=60)))
    assert [state for state, _ in seen] == [None, 1, 2]
    for record, (_, losses) in zip(steps(job), seen, strict=True):
        found = dict(zip(losses.groups, losses.means.tolist(), strict=True))
        assert {group: found[group] for group in record["group_losses"]} == pytest.approx(
            record["group_losses"], abs=1e-5
        )
        assert record["loss"] == pytest.approx(max(found.values()), abs=1e-5)


def test_weights_that_are_not_numbers_end_the_training(job):
    broken = ModuleType("broken")
    broken.NEEDS, broken.weigh = "shares", lambda state, losses, options: (losses.shares * torch.nan, None)
    with pytest.raises(RunError, match=r"step 1 of 12: the weights of the groups"):
        train(replace(job, weighting=broken))


def test_a_reference_scores_what_the_parents_template_makes_of_the_preferences(job, tiny, tmp_path):
    parent = tiny.save_model(tmp_path / "parent", "llama", bos=True, chat=True)
    twin = tiny.save_model(tmp_path / "twin", "llama", bos=True)
    one_step = replace(job, parent=parent, template=Template(policy="chat"), training=replace(FAST, max_steps=1))
    train(one_step)
    train(replace(one_step, reference=twin, out=tmp_path / "by_twin"))
    for own, by_twin in zip(log(one_step), log(replace(one_step, out=tmp_path / "by_twin")), strict=True):
        assert own == by_twin


def test_the_shorter_of_parent_and_reference_sets_the_limit(job, tiny, tmp_path):
    for name in ("short", "long"):
        tiny.save_model(tmp_path / name, "llama", bos=True)
    settings = tmp_path / "short" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_position_embeddings": 16}))
    for parent, reference in (("short", "long"), ("long", "short")):
        each = replace(job, parent=tmp_path / parent, reference=tmp_path / reference, out=tmp_path / f"by_{reference}")
        train(replace(each, training=replace(FAST, max_steps=1)))
        assert sum(log(each)[0]["truncated"].values()) > 0


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you")]
)
def test_too_little_memory_names_the_token_budget(job, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("pluralign.train.loop.gather_gradients", fail)
    with pytest.raises(RunError, match=r"dpo: the memory is too small; lower token_budget \(now 2048\)"):
        train(job)


def test_other_failures_of_the_runtime_pass_as_they_are(job, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("pluralign.train.loop.gather_gradients", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(job)


def test_a_folder_that_cannot_be_written_is_named(job, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"out cannot be written \(Not a directory\)"):
        train(replace(job, out=tmp_path / "file" / "out"))


def fill(path: Path, room: int) -> None:
    """Write a log where no file can grow beyond `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with Journal(path) as journal:
            for step in range(9):
                journal.write("step", step=step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_log_that_cannot_grow_is_named(tmp_path):
    with pytest.raises(RunError, match=r"log\.jsonl cannot be written \(File too large\)"):
        fill(tmp_path / "log.jsonl", 100)


def test_a_file_that_a_plug_in_misses_is_not_taken_for_one_that_cannot_be_written(job):
    def weigh(state, losses, options):
        raise FileNotFoundError("annotators.csv")

    careless = ModuleType("careless")
    careless.NEEDS, careless.weigh = "shares", weigh
    with pytest.raises(FileNotFoundError, match="annotators"):
        train(replace(job, weighting=careless))


@pytest.mark.parametrize("infinite", ["metric", "held-out loss"])
def test_what_is_not_finite_in_the_log_is_named_by_its_step(job, infinite):
    def losses(batch, options):
        found = dpo.losses(batch, options)
        if infinite == "metric":
            return replace(found, metrics=found.metrics | {"logps/chosen": batch.scores[:, 0] / 0})
        return found if batch.scores.requires_grad else replace(found, per_pair=found.per_pair * torch.inf)

    odd = ModuleType("odd")
    odd.__dict__.update(vars(dpo) | {"losses": losses, "__name__": "odd"})
    expected = {"metric": "step 1, step: logps/chosen is -inf", "held-out loss": "step 1, held_out: eval_loss is inf"}
    with pytest.raises(RunError, match=expected[infinite]):
        train(replace(job, method=odd, training=replace(FAST, max_steps=1)))


def test_a_completion_of_nothing_but_what_the_tokenizer_drops_is_left_out_like_an_empty_one(job, base, preference):
    tokenizer = load_causal(base, device="cpu")[1]
    tokenizer.backend_tokenizer.normalizer = normalizers.Strip(left=False, right=True)
    renderer = Renderer(completions=dpo.completions, tokenizer=tokenizer, template=job.template, max_length=64)
    blank = preference(1, prompt="b the", rejected=" \n")
    made, fitting = renderer.render([*job.preferences[:2], blank])
    assert [example.preference for example in made] == list(job.preferences[:2])
    assert fitting.record() == {"left_out_empty_completion": {"two": 1}}


def test_what_an_offline_method_calls_temperature_is_its_own_affair(job, tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Warm(dpo.Options):
        temperature: float = 3.0

    short = replace(job, training=replace(FAST, max_steps=2))
    for name, options in (("plain", dpo.Options()), ("warm", Warm())):
        train(replace(short, options=options, out=tmp_path / name))
    assert weights(tmp_path / "warm") == weights(tmp_path / "plain")
