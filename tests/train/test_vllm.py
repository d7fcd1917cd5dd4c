"""A server of ours that speaks vLLM's weight-transfer protocol, over gloo, is given the weights and writes by them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from torch import distributed

from pluralign.engine.loading.load import load_causal
from pluralign.engine.logprobs import token_logprobs
from pluralign.engine.writing.draw import Distribution
from pluralign.engine.writing.sampling import Sampling, sample
from pluralign.errors import InputError, RunError
from pluralign.records.fork import Fork
from pluralign.train import sending
from pluralign.train.sending import checksum, join_nccl
from pluralign.train.vllm import VllmServer

PROMPTS = [tuple(range(40, 46)), tuple(range(50, 60)), (70, 71)]
SEEDS = [2**64 - 1, 5, 6]
SAMPLING = Sampling(max_tokens=7, num_generations=3, distribution=Distribution(temperature=1.3, top_k=40, top_p=0.9))
PENALTIES = {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": 0.5, "min_p": 0.2}
"""What the served model has in its generation settings, by which vLLM goes where a request does not say otherwise."""


@dataclass
class Gloo:
    """Trainer and worker on a CPU."""

    group: Any

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        options = distributed.BroadcastOptions()
        options.rootRank, options.rootTensor = src, 0
        self.group.broadcast([tensor], options).wait()


def join(info: dict[str, Any], rank: int = 0) -> Gloo:
    limit = timedelta(seconds=20)
    place = (info["master_address"], info["master_port"], info["world_size"])
    store = distributed.TCPStore(*place, is_master=rank == 0, timeout=limit, wait_for_workers=False)
    return Gloo(distributed.ProcessGroupGloo(store, rank, info["world_size"], limit))


@dataclass
class Worker:
    """The server's side: one worker, and what went wrong in it if anything is to."""

    model: Any
    tokenizer: Any
    failing: Callable[[str], bool] = lambda _: False
    spoil: Callable[[torch.nn.Module], None] = lambda _: None
    version: str | None = None
    group: Gloo | None = None
    paused: bool = False
    open: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(path)
        if self.failing(path):
            raise RuntimeError(f"{path} fails")
        match urlsplit(path).path:
            case "/get_world_size":
                return {"world_size": 1}
            case "/init_weight_transfer_engine":
                info = body["init_info"]
                assert info.pop("packed") is False
                self.group = join(info, rank=info["rank_offset"])
            case "/pause":
                self.paused = True
            case "/start_weight_update":
                assert self.paused
                self._turn(was=False, becomes=True)
            case "/update_weights":
                assert self.open
                self._receive(**body["update_info"])
            case "/finish_weight_update":
                self._turn(was=True, becomes=False)
                self.version = body.get("weight_version", self.version)
                self.spoil(self.model)
            case "/resume":
                self.paused = False
            case "/weight_info":
                return {"weight_version": self.version}
            case "/v1/completions":
                assert not self.paused
                return {"choices": list(self._choices(body))}
            case other:
                raise AssertionError(other)
        return {"message": "done"}

    def _turn(self, *, was: bool, becomes: bool) -> None:
        """Open or close an update; as vLLM's workers do, refuse to open an open one and to close a closed one."""
        if self.open is not was:
            raise RuntimeError(f"a weight update is already {'open' if self.open else 'closed'}")
        self.open = becomes

    def _receive(self, names: list[str], dtype_names: list[str], shapes: list[list[int]]) -> None:
        held = dict(self.model.named_parameters())
        assert names == list(held)
        assert self.group is not None
        for name, dtype, shape in zip(names, dtype_names, shapes, strict=True):
            weight = torch.empty(shape, dtype=getattr(torch, dtype))
            self.group.broadcast(weight, src=0)
            held[name].data.copy_(weight)

    def _choices(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        prompt = tuple(body["prompt"])
        if "prompt_logprobs" in body:
            with torch.no_grad():
                ((found,),) = token_logprobs(self.model, [Fork(prompt[:1], (prompt[1:],))])
            told = zip(prompt[1:], found.tolist(), strict=True)
            yield {"index": 0, "prompt_logprobs": [None, *({str(token): {"logprob": value}} for token, value in told)]}
            return
        draws_otherwise = {name for name, value in (PENALTIES | body).items() if PENALTIES.get(name) == value}
        assert not draws_otherwise, f"drawn under {draws_otherwise} of the server, and not from the policy"
        distribution = Distribution(temperature=body["temperature"], top_p=body["top_p"], top_k=max(0, body["top_k"]))
        sampling = Sampling(max_tokens=body["max_tokens"], num_generations=body["n"], distribution=distribution)
        (siblings,) = sample(self.model, self.tokenizer, [prompt], [body["seed"]], sampling)
        for index in reversed(range(len(siblings))):
            one = siblings[index]
            reason = "length" if one.truncated else "stop"
            yield {"index": index, "token_ids": list(one.ids), "finish_reason": reason}


@contextmanager
def serving(worker: Worker) -> Iterator[str]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            try:
                with lock:
                    status, found = 200, worker.answer(self.path, body)
            except Exception as error:
                status, found = 500, {"error": str(error)}
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def folders(tiny, tmp_path_factory):
    return [
        tiny.save_model(tmp_path_factory.mktemp(name), "llama", seed=seed, bos=True)
        for name, seed in (("policy", 1), ("served", 2))
    ]


@pytest.fixture
def policy(folders):
    return load_causal(folders[0], dtype="float32", device="cpu")


@pytest.fixture
def worker(folders):
    return Worker(*load_causal(folders[1], dtype="float32", device="cpu"))


def server(address: str, timeout: float = 20.0) -> VllmServer:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = VllmServer.at(address, timeout_seconds=timeout, group_port=port)
    made.caller = replace(made.caller, sleep=lambda _: None)
    made.join = join
    return made


def test_it_writes_what_the_policy_would_write(policy, worker):
    model, tokenizer = policy
    with serving(worker) as address:
        found = server(address).write(model, tokenizer, PROMPTS, SEEDS, SAMPLING)
    for name, weight in worker.model.named_parameters():
        assert torch.equal(weight, dict(model.named_parameters())[name])
    assert found == sample(model, tokenizer, PROMPTS, [seed >> 1 for seed in SEEDS], SAMPLING)
    assert worker.version == checksum(model)
    assert [path for path in worker.asked if path.startswith("/pause")] == ["/pause?mode=wait"]


def test_weights_are_sent_when_they_have_changed_and_only_then(policy, worker):
    model, tokenizer = policy
    with serving(worker) as address:
        it = server(address)
        for _ in range(2):
            it.write(model, tokenizer, PROMPTS, SEEDS, SAMPLING)
        assert worker.asked.count("/update_weights") == 1
        with torch.no_grad():
            model.lm_head.weight[3, 4] += 0.5
        it.write(model, tokenizer, PROMPTS, SEEDS, SAMPLING)
        assert worker.asked.count("/update_weights") == 2
        assert worker.asked.count("/init_weight_transfer_engine") == 1
    assert torch.equal(worker.model.lm_head.weight, model.lm_head.weight)


def test_a_training_that_goes_on_joins_a_server_that_the_killed_one_left_in_the_midst_of_an_update(policy, worker):
    model, tokenizer = policy
    with serving(worker) as address:
        server(address).write(model, tokenizer, PROMPTS, SEEDS, SAMPLING)
        worker.paused = worker.open = True
        with torch.no_grad():
            model.lm_head.weight[3, 4] += 0.5
        server(address).write(model, tokenizer, PROMPTS, SEEDS, SAMPLING)
    assert worker.asked.count("/init_weight_transfer_engine") == 2
    assert (worker.version, worker.open, worker.paused) == (checksum(model), False, False)
    assert torch.equal(worker.model.lm_head.weight, model.lm_head.weight)


def test_a_server_that_computes_with_other_weights_is_found_out(policy, worker):
    def spoil(model: torch.nn.Module) -> None:
        with torch.no_grad():
            model.lm_head.weight.mul_(-1)

    worker.spoil = spoil
    with serving(worker) as address, pytest.raises(RunError, match=r"differ from the policy's by .* nats a token"):
        server(address).write(*policy, PROMPTS, SEEDS, SAMPLING)


def test_a_server_with_another_version_is_found_out(policy, worker):
    def spoil(_: torch.nn.Module) -> None:
        worker.version = "old"

    worker.spoil = spoil
    with serving(worker) as address, pytest.raises(RunError, match='has weights of version "old"'):
        server(address).write(*policy, PROMPTS, SEEDS, SAMPLING)


@pytest.mark.parametrize("path", ["/start_weight_update", "/update_weights", "/init_weight_transfer_engine"])
def test_a_failure_of_the_server_ends_the_wait(policy, worker, path):
    worker.failing = lambda asked: asked == path
    expected = f"the vLLM server: .*{path}: .*HTTP 500.*{path} fails"
    with serving(worker) as address, pytest.raises(RunError, match=expected):
        server(address).write(*policy, PROMPTS, SEEDS, SAMPLING)
    assert worker.asked.count(path) == 1
    assert not worker.paused


def test_a_server_that_cannot_be_joined_is_to_be_restarted(policy, worker):
    worker.failing = lambda asked: asked == "/init_weight_transfer_engine"
    with serving(worker) as address, pytest.raises(RunError, match="killed while it sent weights, restart the server"):
        server(address).write(*policy, PROMPTS, SEEDS, SAMPLING)


def test_a_server_that_does_not_answer_is_not_waited_for(policy, worker, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(worker, "_receive", lambda **_: release.wait(20))
    with serving(worker) as address:
        try:
            with pytest.raises(RunError, match=r"update_weights.*(TimeoutError|took over)"):
                server(address, timeout=1.0).write(*policy, PROMPTS, SEEDS, SAMPLING)
        finally:
            release.set()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([{"index": 0, "token_ids": [5], "finish_reason": "length"}], "wrote 1 completions of 3"),
        ([{"index": n, "text": "x", "finish_reason": "length"} for n in range(3)], "some without token_ids"),
        ([{"index": n, "token_ids": [5], "finish_reason": "stop"} for n in range(3)], "token 5, which ends none here"),
    ],
)
def test_completions_that_cannot_be_learned_from_are_refused(policy, worker, monkeypatch, choices, message):
    ask = worker._choices
    monkeypatch.setattr(worker, "_choices", lambda body: ask(body) if "prompt_logprobs" in body else choices)
    with serving(worker) as address, pytest.raises(RunError, match=message):
        server(address).write(*policy, PROMPTS, SEEDS, SAMPLING)


def test_a_checksum_tells_weights_apart(policy):
    model, _ = policy
    before = checksum(model)
    assert checksum(model) == before
    with torch.no_grad():
        model.lm_head.weight[0, 0] = torch.nextafter(model.lm_head.weight[0, 0], torch.tensor(9.0))
    assert checksum(model) != before


def test_without_vllm_no_group_is_joined(monkeypatch):
    def absent(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(sending.importlib, "import_module", absent)
    with pytest.raises(InputError, match=r"install vllm 0\.28 or later"):
        join_nccl({})
