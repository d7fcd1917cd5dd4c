"""Rewards from a server on this machine that speaks vLLM's classification interface, and is at times busy or wrong."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pluralign.data.template import PLAIN, Template
from pluralign.errors import InputError, RunError
from pluralign.records.preference import Message, Preference
from pluralign.train.endpoint import KEY, TEXTS, EndpointReward, read_address
from pluralign.train.rewarding import Written

Answer = tuple[int, object, dict[str, str]]


def number(text: str) -> float:
    """The reward that the server gives: the text's length, and a half so that it is no whole number."""
    return len(text) + 0.5


def classified(body: dict) -> Answer:
    texts = body["input"] if "input" in body else ["".join(turn["content"] for turn in body["messages"])]
    data = [
        {"index": index, "label": "LABEL_0", "probs": [number(text)], "num_classes": 1}
        for index, text in enumerate(texts)
    ]
    return 200, {"object": "list", "model": "judge", "data": data[::-1], "usage": {}}, {}


@contextmanager
def serving(answer: Callable[[dict], Answer]) -> Iterator[tuple[str, list[dict]]]:
    """A server that answers by `answer`; gives its address and what it was asked, with the authorisation."""
    asked: list[dict] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.append(body | {"path": self.path, "key": self.headers.get("Authorization")})
                status, found, headers = answer(body)
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reward(address: str, *, template: Template = PLAIN, **calling) -> EndpointReward:
    made = EndpointReward.at(address, template)
    settings = {"sleep": lambda _: None, "timeout_seconds": 5.0} | calling
    return replace(made, name="server", caller=replace(made.caller, name='reward "server"', **settings))


def preference(prompt) -> Preference:
    return Preference(prompt=prompt, chosen="a", rejected="b", group="g", prompt_id="p", source="s")


TEXT = Written(preference("How? "), ("Well.", "", "Better so."))
SPOKEN = Written(preference((Message(role="user", content="Who?"),)), ("You.", "I am."))


def test_every_text_gets_its_own_reward_whatever_the_order_of_the_answers():
    many = [Written(preference(f"{'n' * length} "), ("x", "yy")) for length in range(TEXTS)]
    with serving(classified) as (address, asked):
        found = reward(address).rewards([TEXT, SPOKEN, *many])
    assert found[0] == tuple(number("How? " + text) for text in TEXT.texts)
    assert found[1] == tuple(number("Who?" + text) for text in SPOKEN.texts)
    assert found[2:] == [(number("n" * length + " x"), number("n" * length + " yy")) for length in range(TEXTS)]
    assert {each["path"] for each in asked} == {"/classify"}
    assert all(each["use_activation"] is False and each["key"] is None and "model" not in each for each in asked)
    assert max(len(each.get("input", [])) for each in asked) == TEXTS
    spoken = [each["messages"] for each in asked if "messages" in each]
    assert sorted(turns[-1]["content"] for turns in spoken) == ["I am.", "You."]
    assert all(turns[0] == {"role": "user", "content": "Who?"} for turns in spoken)


def test_prompts_under_a_chat_template_go_as_conversations():
    with serving(classified) as (address, asked):
        spoken = reward(address, template=Template(policy="chat", system="Be brief."))
        spoken.rewards([Written(TEXT.preference, ("Well.",))])
    assert asked[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How? "},
        {"role": "assistant", "content": "Well."},
    ]


def test_an_answer_that_the_prompt_has_begun_is_one_turn_with_what_follows():
    begun = preference((Message(role="user", content="Who?"), Message(role="assistant", content="I think ")))
    with serving(classified) as (address, asked):
        reward(address).rewards([Written(begun, ("you.",))])
    assert asked[0]["messages"][1:] == [{"role": "assistant", "content": "I think you."}]


def test_model_and_key_go_along(monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    with serving(classified) as (address, asked):
        reward(f"{address}/v9/classify#judge").rewards([TEXT])
    assert (asked[0]["model"], asked[0]["key"], asked[0]["path"]) == ("judge", "Bearer secret", "/v9/classify")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_after_longer_and_longer(status):
    left = [3]
    waits = []

    def busy(body: dict) -> Answer:
        left[0] -= 1
        return classified(body) if left[0] < 0 else (status, {"error": "busy"}, {})

    with serving(busy) as (address, asked):
        found = reward(address, sleep=waits.append).rewards([TEXT])
    assert found == [tuple(number("How? " + text) for text in TEXT.texts)]
    assert len(asked) == 4
    assert waits == [1.0, 2.0, 4.0]


def test_the_server_may_say_how_long_to_wait():
    left = [1]
    waits = []

    def busy(body: dict) -> Answer:
        left[0] -= 1
        return classified(body) if left[0] < 0 else (429, {}, {"Retry-After": "17"})

    with serving(busy) as (address, _):
        reward(address, sleep=waits.append).rewards([TEXT])
    assert waits == [17.0]


def test_a_server_that_never_answers_is_given_up():
    with serving(lambda _: (503, {"error": "down"}, {})) as (address, asked), pytest.raises(RunError) as caught:
        reward(address, attempts=3).rewards([TEXT])
    assert len(asked) == 3
    assert str(caught.value).startswith('reward "server": http')
    assert "no answer in 3 attempts, the last: HTTP 503" in str(caught.value)
    with pytest.raises(RunError, match="no answer in 2 attempts"):
        reward(address, attempts=2).rewards([TEXT])


def test_an_answer_that_takes_too_long_is_not_waited_for():
    release = threading.Event()

    def slow(body: dict) -> Answer:
        release.wait(10)
        return classified(body)

    with serving(slow) as (address, _):
        try:
            with pytest.raises(RunError, match="no answer in 1 attempts, the last: TimeoutError"):
                reward(address, attempts=1, timeout_seconds=0.1).rewards([TEXT])
        finally:
            release.set()


def test_what_will_not_get_better_is_told_at_once():
    refused = serving(lambda _: (400, {"message": "This model does not classify"}, {}))
    with refused as (address, asked), pytest.raises(RunError, match=r"HTTP 400.*does not classify"):
        reward(address).rewards([TEXT])
    assert len(asked) == 1


@pytest.mark.parametrize(
    "found",
    [
        b"<html>",
        {"data": []},
        {"data": [{"index": 0, "probs": [0.1, 0.9]}]},
        {"data": [{"index": 0, "label": "good"}]},
        {"detail": "ok"},
    ],
)
def test_an_answer_that_is_no_single_number_is_refused(found):
    expected = r'reward "server": the server (does not give one number|gives 0 rewards)'
    with serving(lambda _: (200, found, {})) as (address, _), pytest.raises(RunError, match=expected):
        reward(address).rewards([TEXT])


BAD_PORTS_AND_HOSTS = ["http://host:80x0", "http://host:99999", "http://[::1"]


@pytest.mark.parametrize("text", ["localhost:8000", "ftp://host/classify", "http://", *BAD_PORTS_AND_HOSTS])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError, match="no address of a server"):
        read_address(text)
