"""Several reward models answer as one, from one folder that may be moved together with them."""

import math
import shutil

import pytest

from pluralign.data.ensembles import Member, read_members, way_to, write_members
from pluralign.data.models import check_model
from pluralign.engine.loading.load import make_reward_model, save
from pluralign.errors import InputError
from pluralign.records.item import Choose, Item, Score, Write
from pluralign.records.reply import Reply
from pluralign.run.tokens import count_tokens
from pluralign.subjects.ensemble import EnsembleSubject, average
from pluralign.subjects.reward import RewardSubject

ITEMS = [
    Item(
        id="a",
        asks=(
            Choose(prompt="the cat is ", options=("in", "out", "a long way off")),
            Write(prompt="the ", max_tokens=5),
        ),
        slices={},
        cluster="a",
    ),
    Item(id="b", asks=(Score(prompt="at", completions=("the",)),), slices={}, cluster="b"),
]

MEMBERS = ("one", "other")


@pytest.fixture(scope="module")
def stages(tiny, tmp_path_factory):
    """A run's stages: two reward models, of different architectures, and their ensemble."""
    shelf = tmp_path_factory.mktemp("run") / "stages"
    for seed, (name, architecture) in enumerate((("one", "llama"), ("other", "gpt2"))):
        base = tiny.save_model(tmp_path_factory.mktemp(name), architecture)
        save(*make_reward_model(base, seed=seed), shelf / f"{name}-0")
    (shelf / "all-0").mkdir()
    write_members([member(shelf, name) for name in ("one", "other")], shelf / "all-0")
    return shelf


def member(shelf, name):
    return Member(name=name, key="0", model=way_to(shelf / f"{name}-0", shelf / "all-0"))


def rewards(subject):
    return {(reply.item, reply.ask): reply.rewards for reply in subject.answer(ITEMS)}


def test_its_rewards_are_the_means_of_its_members(stages):
    loading = {name: {"device": "cpu"} for name in MEMBERS}
    subject = EnsembleSubject.load("all", stages / "all-0", loading=loading)
    one, other = (rewards(RewardSubject.load(name, stages / f"{name}-0", device="cpu")) for name in ("one", "other"))
    found = rewards(subject)
    assert found.keys() == one.keys() == {("a", 0), ("b", 0)}
    for place, values in found.items():
        assert values == pytest.approx([(x + y) / 2 for x, y in zip(one[place], other[place], strict=True)])
    assert subject.answers == {Choose, Score}
    assert [part["architecture"] for part in subject.describe()["members"].values()] == [
        "LlamaForSequenceClassification",
        "GPT2ForSequenceClassification",
    ]
    apart = [count_tokens(member, ITEMS)[False].read for member in subject.members]
    assert count_tokens(subject, ITEMS)[False].read == sum(apart) > 0


def test_each_member_tells_in_one_line_what_is_too_long(stages, monkeypatch, caplog):
    monkeypatch.setattr("pluralign.subjects.questions.WINDOW", 2)
    ask = Score(prompt="b" * 170, completions=("c", "d"))
    long = [Item(id=str(place), asks=(ask,), slices={}, cluster="") for place in range(7)]
    subject = EnsembleSubject.load("all", stages / "all-0", loading={name: {"device": "cpu"} for name in MEMBERS})
    replies = {(reply.item, reply.ask): reply for reply in subject.answer([*long, *ITEMS])}
    assert len(replies) == 9
    assert all(math.isnan(reward) for one in long for reward in replies[one.id, 0].rewards)
    assert not any(math.isnan(reward) for place in (("a", 0), ("b", 0)) for reward in replies[place].rewards)
    told = [line for line in caplog.messages if "too long" in line]
    assert sorted(line.split(";")[0] for line in told) == [
        f"{name}: 7 questions are too long for the model and count as missing" for name in MEMBERS
    ]


def test_it_moves_with_its_members_and_says_who_is_gone(stages, tmp_path):
    moved = tmp_path / "elsewhere" / "stages"
    shutil.copytree(stages, moved)
    assert all(one.model.startswith(str(moved)) for one in read_members(moved / "all-0"))
    shutil.rmtree(moved / "other-0")
    with pytest.raises(InputError, match=r'ensemble\.json: its member "other" is gone: there is no folder .*other-0'):
        EnsembleSubject.load("all", moved / "all-0", loading={})


def test_what_is_no_ensemble_is_refused(stages, tmp_path):
    with pytest.raises(InputError, match=r"is no ensemble: it holds no ensemble\.json"):
        read_members(tmp_path)
    for text, message in (
        ("{}", "must list two or more"),
        ('{"members": [{"name": "one"}, {"name": "other"}]}', "not a member: {'name': 'one'}"),
        ("torn", "not JSON"),
    ):
        (tmp_path / "ensemble.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_members(tmp_path)
    with pytest.raises(InputError, match="is an ensemble; a run file has it as"):
        check_model(str(stages / "all-0"))


def test_what_is_too_long_for_one_is_missing_for_all():
    known, missing = (Reply(item="a", ask=0, rewards=(1.0, value), tokens=(2, 3)) for value in (5.0, math.nan))
    found = average([known, missing])
    assert found.rewards[0] == 1.0
    assert math.isnan(found.rewards[1])
    assert found.tokens == (2, 3)
    assert average([known, Reply(item="a", ask=0, rewards=(3.0, 5.0), tokens=(2, 4))]).tokens is None


def test_a_member_without_rewards_is_an_error():
    with pytest.raises(ValueError, match='item "a", ask 0: a member of the ensemble gave no rewards'):
        average([Reply(item="a", ask=0, rewards=(1.0,)), Reply(item="a", ask=0, logprobs=(1.0,))])
