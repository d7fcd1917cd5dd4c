import importlib.util
import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import distributed

from pluralign.engine.logprobs import logprobs
from pluralign.engine.ranks import deal, sharded
from pluralign.records.fork import Fork

FORKS = [Fork((index + 1, 2), tuple((index, token) for token in range(1 + index % 3))) for index in range(7)]
TINY = Path(__file__).parents[1] / "tiny_models.py"


def one_rank(rank, ranks, meeting, count, results):
    spec = importlib.util.spec_from_file_location("tiny_models", TINY)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks)
    model = tiny.make_model("gpt2", dtype=torch.float64)
    seen = []

    def score(model, forks, *, token_budget):
        seen.append(len(forks))
        return logprobs(model, forks, token_budget=token_budget)

    scores = sharded(score, model, FORKS[:count])
    distributed.destroy_process_group()
    results.put((rank, scores.values.tolist(), scores.sizes, seen))


@pytest.mark.parametrize("count", [7, 1])
def test_two_processes_give_what_one_gives(tiny, tmp_path, count):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=one_rank, args=(rank, 2, tmp_path / "meet", count, results)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    expected = sharded(logprobs, tiny.make_model("gpt2", dtype=torch.float64), FORKS[:count])
    for _, values, sizes, _ in found:
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), expected.values, rtol=0, atol=1e-9)
        assert sizes == expected.sizes
    assert sum(sum(seen) for *_, seen in found) == count


def test_shares_are_even_and_cover_all():
    shares = deal(FORKS, 3)
    assert sorted(index for share in shares for index in share) == list(range(7))
    loads = [sum(2 + 2 * len(FORKS[index].completions) for index in share) for share in shares]
    assert max(loads) - min(loads) <= 8


def test_alone_it_scores_without_gradients(tiny):
    assert not sharded(logprobs, tiny.make_model("gpt2"), FORKS).values.requires_grad
