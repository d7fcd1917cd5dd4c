"""A policy in shards writes what a whole one writes, and learns from it what that learns."""

import pytest
import torch

from pluralign.train import spread

TRAINING = {"learning_rate": 5e-5, "batch_size": 5, "max_steps": 4, "num_train_epochs": 3.0, "warmup_ratio": 0.0}
OPTIONS = {"num_generations": 3, "max_completion_length": 8, "beta": 0.1}
RLOO = {"method": "rloo", "weighting": "uniform", "options": OPTIONS, "training": TRAINING}
EQUAL = {
    "reference-beside": RLOO | {"training": TRAINING | {"eval_steps": 2.0}},
    "iterations-lora": RLOO
    | {
        "weighting": "group_dro",
        "options": OPTIONS | {"num_iterations": 2, "normalize_advantages": True},
        "training": TRAINING | {"lora_r": 4, "token_budget": 60},
    },
    "fewer-prompts-than-processes": RLOO
    | {"training": TRAINING | {"batch_size": 1}, "options": OPTIONS | {"beta": 0.0}},
    "served": RLOO | {"served": True},
}
AGAIN = EQUAL["iterations-lora"] | {"key": "k"}
AGAIN = AGAIN | {"training": AGAIN["training"] | {"save_steps": 1}}


@pytest.fixture(scope="module")
def trained(run_cases):
    """All cases in one process ("… alone") and in two; one that is killed and run again, and one that fails."""
    cases = [
        case | {"ranks": ranks, "name": f"{name} alone" if ranks == 1 else name}
        for name, case in EQUAL.items()
        for ranks in (1, 2)
    ]
    cases += [AGAIN | {"ranks": 2, "name": "whole"}]
    cases += [AGAIN | {"ranks": 2, "name": "killed", "fails": [1, "killed", 8]}, AGAIN | {"ranks": 2, "name": "killed"}]
    return run_cases([*cases, RLOO | {"ranks": 2, "name": "fails", "fails": [1, "reward", 1]}])


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_learn_what_one_learns_from_the_same_completions(trained, assert_learnt_alike, name):
    place = 2 * list(EQUAL).index(name)
    assert_learnt_alike(trained, name, trained.ends[place : place + 2])
    one = trained.records(f"{name} alone")
    assert len({record["completions/mean_length"] for record in one if record["event"] == "step"}) > 1
    assert any(record["grad_norm"] > 0.01 for record in one if record["event"] == "step")


def test_what_was_written_outlives_a_process_that_was_killed(trained):
    killed, again = (end["ends"] for end in trained.ends[-3:-1])
    assert -9 in killed
    assert again == [0, 0]
    assert any(line.endswith("taken up") for line in trained.told("killed"))
    assert trained.bits("killed") == trained.bits("whole")


def test_a_server_hears_of_the_first_process_alone(trained):
    asked = (trained.folder / "served.asked").read_text().splitlines()
    assert asked == ["0 5"] * 4 + ["0 7"]


def test_a_reward_that_is_missing_in_one_process_ends_both(trained):
    first, second = trained.ends[-1]["said"]
    assert trained.ends[-1]["ends"] == [3, 3]
    assert first["error"].startswith('RunError: rank 1: reward "letters": nan for completion 0 of prompt ')
    assert second["error"].startswith('RunError: reward "letters": nan for completion 0 of prompt ')
    assert first["told"]
    assert second["told"]


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_body_has_the_weights_of_now_while_it_works_and_none_between(tiny, architecture):
    model, ids, bodies = tiny.make_model(architecture), torch.tensor([[3, 1, 4, 1, 5]]), []

    def logits(body, text):
        bodies.append(body)
        heads = (each.get_output_embeddings().weight is each.get_input_embeddings().weight for each in (body, model))
        assert len(set(heads)) == 1
        if text is None:
            raise ValueError("nothing to read")
        return body(input_ids=text).logits

    on_body = spread.on_whole_weights(logits, model)
    with torch.no_grad():
        for _ in range(2):
            assert torch.equal(on_body(model, ids), model(input_ids=ids).logits)
            model.get_input_embeddings().weight.mul_(1.5)
        with pytest.raises(ValueError, match="nothing to read"):
            on_body(model, None)
    assert len(set(map(id, [*bodies, model]))) == 2
    assert all(weight.is_meta for weight in bodies[0].parameters())
