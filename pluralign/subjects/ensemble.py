"""Several reward models that answer as one: the reward of an ensemble is the mean of its members' rewards.

The members are held in memory together. Their rewards are averaged as they are, so that a member whose rewards lie
further apart has more of a say.
Source: Zeng et al. 2023, arXiv:2312.07401 (the baseline that averages one reward model for each data set).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralign.data.ensembles import read_members
from pluralign.data.template import PLAIN, Template
from pluralign.records.item import Choose, Item, Score
from pluralign.records.reply import Reply
from pluralign.subjects.reward import RewardSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSubject:
    """At least two reward models."""

    name: str
    members: tuple[RewardSubject, ...]

    @classmethod
    def load(
        cls,
        name: str,
        folder: Path,
        *,
        template: Template = PLAIN,
        loading: Mapping[str, Mapping[str, Any]],
    ) -> "EnsembleSubject":
        """The ensemble in `folder`; `loading` gives each member's keywords of `engine.load.load_reward`, by its name.

        Raises: InputError where a member is gone, is no reward model or cannot be loaded.
        """
        members = [
            RewardSubject.load(one.name, one.model, adapter=one.adapter, template=template, **loading[one.name])
            for one in read_members(folder)
        ]
        return cls(name=name, members=tuple(members))

    @property
    def answers(self) -> frozenset[type]:
        """The kinds of ask that it can answer."""
        return frozenset({Choose, Score})

    def describe(self) -> dict[str, Any]:
        """What its members are, for the record."""
        return {"members": {member.name: member.describe() for member in self.members}}

    def answer(self, items: Sequence[Item]) -> Iterator[Reply]:
        """The mean of the members' rewards for every `Choose` and `Score`, as soon as all members have answered it.

        What is too long for one member is missing for the ensemble, and each member tells of its own in one line.
        """
        waiting: dict[tuple[str, int], list[Reply]] = defaultdict(list)
        for replies in zip(*(member.answer(items) for member in self.members), strict=True):
            for reply in replies:
                place = reply.item, reply.ask
                waiting[place].append(reply)
                if len(waiting[place]) == len(self.members):
                    yield average(waiting.pop(place))


def average(replies: Sequence[Reply]) -> Reply:
    """One reply with the mean of several replies' rewards, NaN where one is; `tokens` where all count the same.

    Raises: ValueError where a reply holds no rewards.
    """
    first = replies[0]
    if any(reply.rewards is None for reply in replies):
        raise ValueError(f'item "{first.item}", ask {first.ask}: a member of the ensemble gave no rewards')
    rewards = [reply.rewards or () for reply in replies]
    means = tuple(math.fsum(values) / len(values) for values in zip(*rewards, strict=True))
    alike = all(reply.tokens == first.tokens for reply in replies)
    return Reply(item=first.item, ask=first.ask, rewards=means, tokens=first.tokens if alike else None)
