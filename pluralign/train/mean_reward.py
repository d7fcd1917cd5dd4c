"""An ensemble of reward models as the reward that a policy learns from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pluralign.train.rewarding import Reward, Written, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReward:
    """The mean of several rewards, averaged as they are, as `subjects.ensemble` answers audits."""

    name: str
    members: tuple[Reward, ...]

    def rewards(self, written: Sequence[Written]) -> list[tuple[float, ...]]:
        """Mean rewards of all texts. Raises: as the members, and RunError where one of them gives no finite number."""
        by_member = [judge(member, written) for member in self.members]
        return [
            tuple(math.fsum(values) / len(values) for values in zip(*of_prompt, strict=True))
            for of_prompt in zip(*by_member, strict=True)
        ]
