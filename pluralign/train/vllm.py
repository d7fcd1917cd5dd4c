"""Completions from a vLLM server that is given the policy's weights before it writes.

The protocol is vLLM's own, of version 0.28 and later: `POST /init_weight_transfer_engine` once in every process that
trains (vLLM puts the new group in the place of the one with a process that was killed); for new weights `/pause`,
`/start_weight_update`, `/update_weights` while the weights are broadcast by NCCL in the order announced,
`/finish_weight_update` with the weights' checksum as their version, `/resume`. An update that a killed process left
open is finished first, as vLLM asks for. Then `GET /weight_info` must tell that version, and the server's
log-probabilities of a prompt must be the policy's. It was tried against a server of ours that speaks this protocol on a
CPU, not against vLLM. The server is started by

    VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --weight-transfer-config '{"backend": "nccl"}'

Source: vLLM's documentation, "Weight Transfer" and "OpenAI-Compatible Server".
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.logprobs import token_logprobs
from pluralign.engine.writing.draft import Ids, end_tokens
from pluralign.engine.writing.sampling import Sampled, Sampling
from pluralign.errors import RunError
from pluralign.records.fork import Fork
from pluralign.train.calling import Caller
from pluralign.train.sending import Group, broadcast, checksum, join_nccl, own_address

KEY = "PLURALIGN_VLLM_API_KEY"
"""The environment variable whose value, where it is set, goes along as bearer token."""
FAR_NATS = 0.2
"""Log-probabilities per token that differ more than this, on average, are those of other weights, not of rounding."""
AS_THE_POLICY = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "min_p": 0.0}
"""Said with every request: where it is told nothing, vLLM goes by the model's generation settings, and many a model
has a penalty among them, under which the server would not draw from the policy."""
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class VllmServer:
    """A server at `base_url` that holds the policy's model.

    `group_port`: of this machine, where its workers find the trainer; `join` makes the `group` with them, None until
    the first weights are sent; `version`: the checksum of those that it has; `at_once`: requests under way at a time.
    """

    base_url: str
    caller: Caller
    group_port: int
    join: Callable[[dict[str, Any]], Group] = join_nccl
    at_once: int = 32
    group: Group | None = None
    version: str | None = None

    @classmethod
    def at(cls, base_url: str, *, timeout_seconds: float, group_port: int) -> "VllmServer":
        """The server at an address that a method's options have let pass."""
        caller = Caller(name="the vLLM server", key_variable=KEY, timeout_seconds=timeout_seconds)
        return cls(base_url=base_url.rstrip("/"), caller=caller, group_port=group_port)

    def write(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[Ids],
        seeds: Sequence[int],
        sampling: Sampling,
    ) -> list[list[Sampled]]:
        """Completions of each prompt, as `engine.writing.sampling.sample` gives them, by the weights of `model`.

        Raises: RunError where the server does not answer in time, or has other weights or end tokens than `model`.
        """
        self._update(model, max(prompts, key=len))
        complete = partial(self._complete, sampling=sampling, ends=frozenset(end_tokens(model, tokenizer)))
        with ThreadPoolExecutor(max_workers=self.at_once) as pool:
            return list(pool.map(complete, prompts, seeds))

    def _complete(self, prompt: Ids, seed: int, *, sampling: Sampling, ends: frozenset[int]) -> list[Sampled]:
        distribution = sampling.distribution
        choices = self._choices(
            prompt=list(prompt),
            n=sampling.num_generations,
            max_tokens=sampling.max_tokens,
            temperature=distribution.temperature,
            top_p=distribution.top_p,
            top_k=distribution.top_k or -1,
            seed=seed >> 1,
            return_token_ids=True,
            **AS_THE_POLICY,
        )
        found = [Sampled(tuple(each.get("token_ids") or ()), each.get("finish_reason") == "length") for each in choices]
        if len(found) != sampling.num_generations or not all(each.ids for each in found):
            wanted = sampling.num_generations
            raise RunError(f"the vLLM server wrote {len(found)} completions of {wanted}, or some without token_ids")
        for each in found:
            if not each.truncated and each.ids[-1] not in ends:
                raise RunError(f"the vLLM server ended a completion with token {each.ids[-1]}, which ends none here")
        return found

    def _choices(self, **body: Any) -> list[dict[str, Any]]:
        answer = self.caller.post(f"{self.base_url}/v1/completions", body)
        try:
            return sorted(json.loads(answer)["choices"], key=lambda each: each["index"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"the vLLM server answers {answer[:200].decode(errors='replace')!r}") from error

    def _update(self, model: PreTrainedModel, probe: Ids) -> None:
        """Give the server the model's weights, unless it has them, and see that it computes with them."""
        version = checksum(model)
        if version == self.version:
            return
        if self.group is None:
            self.group = self._joined()
        weights = dict(model.named_parameters())
        info = {
            "names": list(weights),
            "dtype_names": [str(weight.dtype).removeprefix("torch.") for weight in weights.values()],
            "shapes": [list(weight.shape) for weight in weights.values()],
        }
        send = partial(broadcast, self.group, list(weights.values()))
        with self._paused():
            self._start()
            self._together("update_weights", {"update_info": info}, send)
            self._command("finish_weight_update", {"weight_version": version})
        told = json.loads(self.caller.get(f"{self.base_url}/weight_info")).get("weight_version")
        if told != version:
            raise RunError(f'the vLLM server has weights of version "{told}", and was given "{version}"')
        self._prove(model, probe)
        self.version = version

    def _start(self) -> None:
        """Begin an update; the first one of this process may find one open that a killed training began."""
        try:
            self._command("start_weight_update", {})
        except RunError as error:
            if self.version is not None:
                raise
            try:
                self._command("finish_weight_update", {})
            except RunError:
                raise error from None
            self._command("start_weight_update", {})

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """Hold the server's other work for so long; it goes on where something fails too, and the failure is told."""
        self._command("pause?mode=wait", {})
        try:
            yield
        except BaseException:
            with suppress(RunError):
                self._command("resume", {})
            raise
        self._command("resume", {})

    def _prove(self, model: PreTrainedModel, probe: Ids) -> None:
        """See that the server gives the tokens of `probe`, of two or more, the log-probabilities of the model."""
        if len(probe) < 2:
            return
        (choice,) = self._choices(prompt=list(probe), max_tokens=1, temperature=1.0, prompt_logprobs=0)
        told = choice.get("prompt_logprobs") or []
        if len(told) != len(probe):
            raise RunError("the vLLM server gives no log-probabilities of a prompt's tokens")
        theirs = [place[str(token)]["logprob"] for token, place in zip(probe[1:], told[1:], strict=True)]
        with torch.no_grad():
            ((own,),) = token_logprobs(model, [Fork(probe[:1], (probe[1:],))])
        gap = (own.double().cpu() - torch.tensor(theirs, dtype=torch.float64)).abs().mean().item()
        if not gap <= FAR_NATS:
            raise RunError(
                f"the vLLM server's log-probabilities differ from the policy's by {gap:.3f} nats a token: "
                "it does not compute with the weights that it was given"
            )

    def _joined(self) -> Group:
        workers = json.loads(self.caller.get(f"{self.base_url}/get_world_size"))["world_size"]
        info = {
            "master_address": own_address(self.base_url),
            "master_port": self.group_port,
            "rank_offset": 1,
            "world_size": workers + 1,
            "packed": False,
        }
        try:
            return self._together("init_weight_transfer_engine", {"init_info": info}, partial(self.join, info))
        except RunError as error:
            raise RunError(f"{error}; if a training was killed while it sent weights, restart the server") from error

    def _command(self, path: str, body: dict[str, Any]) -> None:
        self.caller.post(f"{self.base_url}/{path}", body, again=False)

    def _together(self, path: str, body: dict[str, Any], own: Callable[[], T]) -> T:
        """What `own` gives while the server does its part; an error of either ends the wait for both.

        Raises: RunError after the time limit. The threads that still wait do not keep the process.
        """
        ended: queue.Queue[tuple[str, Any, BaseException | None]] = queue.Queue()

        def run(name: str, work: Callable[[], Any]) -> None:
            try:
                ended.put((name, work(), None))
            except BaseException as error:  # raised again by the caller, below
                ended.put((name, None, error))

        for name, work in (("server", partial(self._command, path, body)), ("own", own)):
            threading.Thread(target=run, args=(name, work), daemon=True).start()
        found: dict[str, Any] = {}
        while len(found) < 2:
            try:
                name, value, error = ended.get(timeout=self.caller.timeout_seconds + 1)
            except queue.Empty as error:
                raise RunError(f"the vLLM server: /{path} took over {self.caller.timeout_seconds:.0f} s") from error
            if error is not None:
                raise error
            found[name] = value
        return found["own"]
