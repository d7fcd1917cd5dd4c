"""Preferences that were held out of training: does the model prefer what people of each group preferred?

Rows: `prompt` (text, or the turns of a conversation), `chosen`, `rejected`, `group` (whose preference), `language` and
`prompt_id`. The option `data` of a run file gives those that were held out of the run's own data. An item's id is the
number of its row, counted from 1; a row without `rejected` is a demonstration, no preference, and is left out.

A margin is the reward of the preferred answer less that of the other, or of a model that writes the difference of their
log-probabilities, each with its end token, as training by DPO has them. It stands for the probability σ(margin) that
the answer is preferred: for a model that writes, that it would write this one of the two. Beside a stage's reference
(or the stage it came from), the change of the margin is DPO's implicit reward margin over beta.
Source: Ouyang et al. 2022, arXiv:2203.02155 (reward model accuracy); Rafailov et al. 2023, arXiv:2305.18290, eq. 5
(implicit reward); Zeng et al. 2023, arXiv:2312.07401 (calibration and distribution of rewards).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pluralign.data.conversation import prompt
from pluralign.data.languages import bcp47
from pluralign.records.item import Item, Score
from pluralign.records.measure import Measure, Statistic
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text

VERSION = 2
DESCRIPTION = (
    "Pairs of answers that were held out of training: does the model prefer the one that people of each group "
    "preferred? Each group judged its own pairs, so levels cannot be compared between groups; their changes can."
)
REFERENCE: dict[str, str] = {}
ROWS = None  # the run file names the data whose held-out preferences are asked, or other rows
SANDBOX = "preferences"

COLUMNS = ("prompt", "chosen", "rejected", "group", "language", "prompt_id")
SCALED = "after scaling by the temperature that fits the other half of the prompts, dealt out by a fixed draw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`ece_bins`: equal bins of the calibration error, over probabilities from 0 to 1; half of them lie above .5."""

    ece_bins: int = 10

    def __post_init__(self) -> None:
        if self.ece_bins < 2 or self.ece_bins % 2:
            raise ValueError(
                f"ece_bins must be an even number from 2 on (an odd one hides errors), not {self.ece_bins}"
            )


def measures(options: Options) -> dict[str, Measure]:
    """What is measured; the calibration error in the bins that the options say."""
    bins = options.ece_bins
    ece = f"expected calibration error of the probability of the preferred answer ({bins // 2} bins from .5 to 1)"
    return {
        "accuracy": Measure(
            "share of pairs where the preferred answer gets the higher reward or log-probability (ties count half)",
            chance=0.5,
            comparable=False,
        ),
        "margin": Measure(
            "reward or log-probability of the preferred answer less that of the other",
            unit="nats or reward",
            chance=0.0,
            margin=None,
            comparable=False,
            bounds=None,
        ),
        "nll": _loss("negative log-likelihood of what people preferred", "nats", chance=math.log(2)),
        "brier": _loss("squared error of the probability of the preferred answer", "Brier score", chance=0.25),
        "ece": _error(ece, Statistic(kind="ece", of="margin", bins=bins)),
        "ece_floor": Measure(
            "calibration error that a perfectly calibrated model with these confidences and as many pairs would show; "
            "its interval holds 90% of such models",
            unit="calibration error",
            better="neither",
            margin=None,
            comparable=False,
            statistic=Statistic(kind="ece_floor", of="margin", bins=bins),
            changes=False,
        ),
        "ece_scaled": _error(f"{ece}, {SCALED}", Statistic(kind="ece", of="margin", bins=bins, scaled=True)),
        "nll_scaled": _loss(
            f"negative log-likelihood of what people preferred, {SCALED}",
            "nats",
            chance=math.log(2),
            statistic=Statistic(kind="nll", of="margin", scaled=True),
        ),
        "score": _described("reward or log-probability of the two answers, on average", "nats or reward"),
        "margin_sd": _described(
            "standard deviation of the margins", "nats or reward", Statistic(kind="sd", of="margin")
        ),
        "margin_drift": Measure(
            "distance of the margins of this group to those of all others (Wasserstein)",
            "nats or reward",
            better="neither",
            comparable=False,
            statistic=Statistic(kind="drift", of="margin"),
            changes=False,
        ),
        "margin_outlying": _described(
            "share of margins more than three standard deviations from their mean",
            "share",
            Statistic(kind="outlying", of="margin"),
        ),
    }


def _loss(what: str, unit: str, *, chance: float, statistic: Statistic | None = None) -> Measure:
    """Lower is better; what a change has to be to matter cannot be said in general."""
    bounds = (0.0, 1.0) if unit == "Brier score" else None
    return Measure(
        what, unit, better="lower", chance=chance, margin=None, comparable=False, bounds=bounds, statistic=statistic
    )


def _error(what: str, statistic: Statistic) -> Measure:
    return Measure(
        what,
        "calibration error",
        better="lower",
        margin=0.02,
        comparable=False,
        bounds=(0.0, 1.0),
        statistic=statistic,
    )


def _described(what: str, unit: str, statistic: Statistic | None = None) -> Measure:
    return Measure(what, unit, better="neither", comparable=False, statistic=statistic)


MEASURES = measures(Options())
COMPARED = {
    "implicit_accuracy": Measure(
        "share of pairs where the preferred answer gained more log-probability over the reference than the other "
        "(ties count half)",
        chance=0.5,
        comparable=False,
        changes=False,
    ),
    "implicit_margin": Measure(
        "implicit reward margin over beta: by how much more the log-probability of the preferred answer rose over the "
        "reference than that of the other",
        unit="nats or reward",
        chance=0.0,
        margin=None,
        comparable=False,
        bounds=None,
        changes=False,
    ),
    "shift": Measure(
        "by how much the reward or log-probability of the two answers rose over the reference, on average",
        unit="nats or reward",
        better="neither",
        comparable=False,
        changes=False,
    ),
    "margin_moved": Measure(
        "distance of the margins to those at the reference, or else at the stage it came from; of a reward model that "
        "came from no other, to those of the run's first (Wasserstein)",
        unit="nats or reward",
        better="neither",
        comparable=False,
        statistic=Statistic(kind="moved", of="margin"),
        changes=False,
    ),
}
"""What needs the replies of two stages: of a stage and its reference, or else the stage it came from."""


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a pair, with one ask: score the preferred answer (first) and the other, each to its end.

    One prompt is one cluster.
    Raises `InputError` with the row's number where a column is missing or unfit.
    """
    for number, row in enumerate(rows, start=1):
        require(row, number, COLUMNS)
        if row["rejected"] == "":
            continue
        completions = (text(row, "chosen", number), text(row, "rejected", number))
        yield Item(
            id=str(number),
            asks=(Score(prompt=prompt(row, number), completions=completions, end=True),),
            slices={"group": text(row, "group", number), "language": text(row, "language", number)},
            cluster=text(row, "prompt_id", number),
        )


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """Which completion is preferred, by how much, and how well is that said in advance?"""
    chosen, rejected = _values(replies)
    margin = chosen - rejected
    nll = _softplus(-margin)
    yield Reading(measure="accuracy", value=_agreement(margin))
    yield Reading(measure="margin", value=margin)
    yield Reading(measure="nll", value=nll)
    yield Reading(measure="brier", value=math.exp(-2 * _softplus(margin)))
    yield Reading(measure="score", value=(chosen + rejected) / 2)


def compare(item: Item, before: Sequence[Reply], after: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """What a stage (`after`) made of its reference (`before`): the implicit reward of the pair."""
    chosen, rejected = (now - then for now, then in zip(_values(after), _values(before), strict=True))
    yield Reading(measure="implicit_accuracy", value=_agreement(chosen - rejected))
    yield Reading(measure="implicit_margin", value=chosen - rejected)
    yield Reading(measure="shift", value=(chosen + rejected) / 2)


def _values(replies: Sequence[Reply]) -> tuple[float, float]:
    """Reward, else summed log-probability, of the preferred answer and the other; NaN where there is none."""
    reply = reply_to(replies, 0)
    if reply is not None:
        values = reply.rewards if reply.rewards is not None else reply.logprobs
        if values is not None and len(values) == 2:
            return values[0], values[1]
    return math.nan, math.nan


def _softplus(value: float) -> float:
    """log(1 + exp(value)), however large it is."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value))) if not math.isnan(value) else math.nan


def code(slice: str, group: str) -> str:
    """BCP-47 of a language, in its shortest form; groups of people and what is no language tag stay as they are."""
    return bcp47(group) if slice == "language" else group


def _agreement(margin: float) -> float:
    if math.isnan(margin):
        return math.nan
    return 0.5 if margin == 0 else float(margin > 0)
