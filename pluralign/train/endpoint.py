"""Rewards from a server: the classification interface of vLLM, `POST /classify`, for reward models of one number.

A text prompt and what was written to it go as one text of `input`, many to a request; a conversation goes as
`messages`, one to a request, through the server's chat template. `use_activation` is false, so that the number is the
reward as the model gives it.

The reward is read at the last token of what the server makes of that: of a text its own, since no end token is put
behind it; of a conversation whatever its chat template ends with. A model that was trained to be read at its end token,
as ours and TRL's are, gives what `rewarding.ModelReward` gives only behind a chat template that ends with that token.

Source: vLLM's documentation, "Classification API" and "Chat classification".
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pluralign.data.template import Template
from pluralign.errors import InputError, RunError
from pluralign.train.calling import Caller
from pluralign.train.rewarding import Written

KEY = "PLURALIGN_REWARD_API_KEY"
"""The environment variable whose value, where it is set, goes along as bearer token."""
TEXTS = 64
"""Texts of one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReward:
    """The reward model that a server gives.

    `url` with its path; `model` as the server calls it, None for the one it has; `caller`: time limits and attempts;
    `at_once`: requests under way at a time.
    """

    name: str
    url: str
    template: Template
    caller: Caller
    model: str | None = None
    at_once: int = 8

    @classmethod
    def at(cls, address: str, template: Template) -> "EndpointReward":
        """The reward at an address as a run file names it. Raises: InputError where it is none."""
        url, model = read_address(address)
        caller = Caller(name=f'reward "{address}"', key_variable=KEY)
        return cls(name=address, url=url, model=model, template=template, caller=caller)

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """Rewards of all texts. Raises: RunError where the server gives none, or no single number."""
        asked = [(one, text) for one in written for text in one.texts]
        plain = [index for index, (one, _) in enumerate(asked) if self._is_text(one)]
        spoken = [index for index, (one, _) in enumerate(asked) if not self._is_text(one)]
        jobs = _cut(plain, TEXTS) + [[index] for index in spoken]
        bodies = [self._body([asked[index] for index in job]) for job in jobs]
        with ThreadPoolExecutor(max_workers=self.at_once) as pool:
            answers = list(pool.map(self._numbers, bodies, map(len, jobs)))
        found = {
            index: value
            for job, values in zip(jobs, answers, strict=True)
            for index, value in zip(job, values, strict=True)
        }
        numbers = (found[index] for index in range(len(asked)))
        return [tuple(next(numbers) for _ in one.texts) for one in written]

    def _is_text(self, written: Written) -> bool:
        """Whether the prompt goes as it stands, and not through a chat template."""
        return isinstance(written.preference.prompt, str) and self.template.policy == "plain"

    def _body(self, asked: Sequence[tuple[Written, str]]) -> dict[str, Any]:
        body: dict[str, Any] = {"use_activation": False} | ({} if self.model is None else {"model": self.model})
        first, text = asked[0]
        if self._is_text(first):
            return body | {"input": [f"{one.preference.prompt}{text}" for one, text in asked]}
        return body | {"messages": _turns(first, text, self.template)}

    def _numbers(self, body: dict[str, Any], count: int) -> list[float]:
        answer = self.caller.post(self.url, body)
        try:
            data = sorted(json.loads(answer)["data"], key=lambda each: each["index"])
            numbers = [float(number) for each in data for (number,) in [each["probs"]]]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f'reward "{self.name}": the server does not give one number for a text, as a reward model would, '
                f"but {answer[:200].decode(errors='replace')!r}"
            ) from error
        if len(numbers) != count:
            raise RunError(f'reward "{self.name}": the server gives {len(numbers)} rewards for {count} texts')
        return numbers


def read_address(text: str) -> tuple[str, str | None]:
    """The URL of a server and the model to ask for: "http://host:8000/classify", with "#MODEL" where it has several.

    Without a path it is "/classify". Raises: InputError where it is no such URL.
    """
    parts = _parts(text)
    if parts is None:
        raise InputError(f'"{text}" is no address of a server, such as "http://localhost:8000/classify"')
    path = parts.path if parts.path.strip("/") else "/classify"
    return parts._replace(path=path, fragment="").geturl(), parts.fragment or None


def _parts(text: str) -> SplitResult | None:
    """The parts of a server's address; None where the text is none."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets that do not close, and of ports
        return None
    return parts if sound else None


def _cut(places: list[int], size: int) -> list[list[int]]:
    return [places[start : start + size] for start in range(0, len(places), size)]


def _turns(written: Written, text: str, template: Template) -> list[dict[str, str]]:
    """The conversation with what was written to it, which goes on with the assistant's turn where that came last."""
    prompt = written.preference.prompt
    if isinstance(prompt, str):
        turns = [{"role": "user", "content": prompt}]
    else:
        turns = [{"role": turn.role, "content": turn.content} for turn in prompt]
    if template.system is not None and (not turns or turns[0]["role"] != "system"):
        turns.insert(0, {"role": "system", "content": template.system})
    begun = turns.pop()["content"] if turns and turns[-1]["role"] == "assistant" else ""
    return [*turns, {"role": "assistant", "content": f"{begun}{text}"}]
