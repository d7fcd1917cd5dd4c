"""Findings as real runs give them, from simulated answers: a small ladder in the sandbox, and nine recorded models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from scipy import stats

from pluralign.records.estimate import ALL, Change, Estimate, Summary, Verdict
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage

Skill = Mapping[str, Mapping[str, float]]
DIALECTS = {("dialect", "en_us"): "en-US", ("dialect", "en_in"): "en-IN", ("dialect", "en_ng"): "en-NG"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One measure to simulate: the chance of a right answer by stage and group, and how many items a group has."""

    audit: Audit
    measure: str
    slice: str
    skill: Skill
    items: Mapping[str, int]


def answers(plan: Plan) -> dict[str, dict[str, np.ndarray]]:
    """Right or wrong by stage, group and item; the same items are hard at every stage."""
    random = np.random.default_rng(crc32(f"{plan.audit.name} {plan.measure}".encode()))
    hard = {group: random.normal(size=count) for group, count in plan.items.items()}
    found = {
        stage: {
            group: (stats.norm.cdf(0.8 * hard[group] + 0.6 * random.normal(size=len(hard[group]))) < p).astype(float)
            for group, p in skill.items()
        }
        for stage, skill in plan.skill.items()
    }
    return {stage: by | {ALL: np.concatenate(list(by.values()))} for stage, by in found.items()}


def mean_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, 95% interval and p-value; NaN below five values."""
    if len(values) == 0:
        return nan, nan, nan, nan
    if len(values) < 5 or np.ptp(values) == 0:
        return float(values.mean()), nan, nan, nan
    test = stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval()
    return float(values.mean()), float(low), float(high), float(test.pvalue)


def code(plan: Plan, group: str) -> str:
    return "" if group == ALL else plan.audit.codes.get((plan.slice, group), group)


def estimates(plan: Plan, found: dict[str, dict[str, np.ndarray]]) -> list[Estimate]:
    reference = plan.audit.reference.get(plan.slice, "")
    rows = []
    for stage, groups in found.items():
        for group, values in groups.items():
            value, low, high, _ = mean_interval(values)
            gap = value - float(groups[reference].mean()) if reference and group not in (ALL, reference) else nan
            width = high - value
            rows.append(
                Estimate(
                    audit=plan.audit.name, measure=plan.measure, stage=stage, seed=0, step=None, slice=plan.slice,
                    group=group, code=code(plan, group), value=value, low=low,
                    high=high, n=len(values), clusters=len(values), missing=0, unit="share", relative_to=reference,
                    gap=gap, gap_low=gap - 1.4 * width, gap_high=gap + 1.4 * width, gap_p=nan if np.isnan(gap) else 0.2,
                )
            )  # fmt: skip
    return rows


def judge(low: float, high: float, p_adjusted: float, gain: float, margin: float | None) -> Verdict:
    if margin is not None and -margin < low and high < margin:
        return "equivalent"
    if p_adjusted < 0.05:
        return "gain" if gain > 0 else "loss"
    return "inconclusive"


def changes(plan: Plan, found: dict[str, dict[str, np.ndarray]], way: tuple[str, str]) -> list[Change]:
    reference = plan.audit.reference.get(plan.slice, "")
    measure = plan.audit.measures[plan.measure]
    if way[0] not in found or way[1] not in found:
        return []
    gained = {group: found[way[1]][group] - found[way[0]][group] for group in found[way[0]]}
    family = len(gained) - 1
    rows = []
    for group, values in gained.items():
        gain, low, high, p = mean_interval(values)
        adjusted = p if group == ALL else min(1.0, p * family)
        own = reference and group not in (ALL, reference)
        relative = gain - float(gained[reference].mean()) if own else nan
        width = high - gain
        relative_p = float(2 * stats.norm.sf(abs(relative) / (1.4 * width / 1.96))) if own else nan
        rows.append(
            Change(
                audit=plan.audit.name, measure=plan.measure, from_stage=way[0], to_stage=way[1], seed=0,
                slice=plan.slice, group=group, code=code(plan, group),
                gain=gain, low=low, high=high, p=p, p_adjusted=adjusted, relative_to=reference, relative_gain=relative,
                relative_low=relative - 1.4 * width, relative_high=relative + 1.4 * width, relative_p=relative_p,
                relative_p_adjusted=min(1.0, relative_p * (family - 1)),
                verdict=judge(low, high, adjusted, gain, measure.margin), minimum_detectable=1.43 * width,
                n=len(values), clusters=len(values), unit="share", **beside(group, gained, p),
            )
        )  # fmt: skip
    return rows


def beside(group: str, gained: Mapping[str, np.ndarray], p: float) -> dict[str, Any]:
    """What a change holds beside its own gain."""
    values = gained[group]
    rest = [float(other.mean()) for name, other in gained.items() if name not in (ALL, group) and len(other)]
    known = len(values) > 4 and group != ALL and bool(rest)
    gap = float(values.mean()) - float(np.mean(rest)) if known else nan
    return {
        "others_gain": gap, "others_low": gap - 0.05, "others_high": gap + 0.05, "others_p": 0.3 if known else nan,
        "others_p_adjusted": 0.6 if known else nan, "p_max_t": p, "adjustment": "holm",
        "improved": int((values > 0).sum()), "worsened": int((values < 0).sum()), "exact_p": nan, "effect": nan,
        "above_chance": nan,
    }  # fmt: skip


def summary(rows: Sequence[Change]) -> Summary:
    groups = [row for row in rows if row.group != ALL]
    tally = {verdict: sum(row.verdict == verdict for row in groups) for verdict in ("gain", "loss", "equivalent")}
    unclear = len(groups) - sum(tally.values())
    first, worst = groups[0], min(groups, key=lambda row: np.inf if np.isnan(row.gain) else row.gain)
    sentence = (
        f"From {first.from_stage} to {first.to_stage}, {first.measure}: {tally['gain']} of {len(groups)} gained, "
        f"{tally['loss']} lost; {unclear} cannot be known yet."
    )
    return Summary(
        audit=first.audit, measure=first.measure, from_stage=first.from_stage, to_stage=first.to_stage, **tally,
        inconclusive=unclear, worst_group=worst.group, omnibus_p=0.01, sentence=sentence, adjustment="holm", between=(),
        seeds=1, method=None,
    )  # fmt: skip


def findings(title: str, stages: Sequence[Stage], ways: Sequence[tuple[str, str]], plans: Sequence[Plan]) -> Findings:
    values, moves, sentences = [], [], []
    for plan in plans:
        found = answers(plan)
        values += estimates(plan, found)
        for way in ways:
            rows = changes(plan, found, way)
            moves += rows
            sentences += [summary(rows)] if rows else []
    return Findings(
        title=title,
        stages=tuple(stages),
        audits=tuple({plan.audit.name: plan.audit for plan in plans}.values()),
        transitions=tuple(ways),
        estimates=tuple(values),
        changes=tuple(moves),
        summaries=tuple(sentences),
        notices=("reward could not answer dialects: it ranks answers and writes none.",),
        provenance={"pluralign": "0.1.0", "command": "pluralign run recipes/quickstart.toml", "seed": "0"},
    )


@pytest.fixture(scope="session")
def sandbox_findings() -> Findings:
    """base → sft → reward and base → sft → dpo, three dialects (levels not comparable) and six languages."""
    stages = (
        Stage(name="base", kind="base", key="1f0c2a7be012"),
        Stage(name="sft", kind="sft", parents=("base",), method="sft", key="a51f99b7c3d0"),
        Stage(name="reward", kind="reward", parents=("sft",), method="reward", key="7ce1f0a2b519"),
        Stage(name="dpo", kind="policy", parents=("sft",), method="dpo", reference="sft", key="0be77d1c2a4f"),
    )
    game = Measure("share of games in which the model wrote the right word", chance=None, comparable=False)
    dialects = Audit(
        name="dialects", uses="dialects", items=540, reference={"dialect": "en_us"},
        codes=DIALECTS, measures={"accuracy": game},
        description="A guessing game played in three dialects of English: can the model name the thing described?",
    )  # fmt: skip
    reading = Audit(
        name="reading", uses="belebele", items=20, limit=20, reference={"language": "en"},
        measures={"accuracy": Measure("share of questions answered correctly", chance=0.25)},
        description="Questions about a short passage, the same in every language, with four answers to choose from.",
    )  # fmt: skip
    skill = {
        "base": {"en_us": 0.31, "en_in": 0.29, "en_ng": 0.28},
        "sft": {"en_us": 0.62, "en_in": 0.47, "en_ng": 0.42},
        "dpo": {"en_us": 0.66, "en_in": 0.47, "en_ng": 0.38},
    }
    languages = {
        "base": {"en": 0.41, "de": 0.36, "es": 0.36, "hi": 0.29, "sw": 0.28, "ar": 0.3},
        "sft": {"en": 0.55, "de": 0.5, "es": 0.42, "hi": 0.31, "sw": 0.28, "ar": 0.35},
        "reward": {"en": 0.5, "de": 0.44, "es": 0.43, "hi": 0.28, "sw": 0.29, "ar": 0.3},
        "dpo": {"en": 0.6, "de": 0.55, "es": 0.43, "hi": 0.2, "sw": 0.28, "ar": 0.35},
    }
    ways = (("base", "sft"), ("sft", "reward"), ("sft", "dpo"), ("base", "reward"), ("base", "dpo"))
    plans = (
        Plan(audit=dialects, measure="accuracy", slice="dialect", skill=skill, items=dict.fromkeys(skill["sft"], 400)),
        Plan(
            audit=reading, measure="accuracy", slice="language", skill=languages,
            items={"en": 400, "de": 400, "es": 300, "hi": 400, "sw": 3, "ar": 0},
        ),
    )  # fmt: skip
    return findings("Quickstart", stages, ways, plans)


LADDERS = (
    ("Llama-2-7b-hf", "Tulu-2-SFT", "Tulu-2-DPO"),
    ("Llama-2-7b-hf", "Llama-2-7b-chat-hf"),
    ("Mistral-7B-v0.1", "Mistral-SFT-7B", "zephyr-7b-beta"),
    ("Mistral-7B-v0.1", "OpenChat3.5", "starling-alpha-7b"),
)


@pytest.fixture(scope="session")
def recorded_findings() -> Findings:
    """Nine recorded models on four ladders, with every pair up a ladder and some across, two audits, nine languages."""
    names = tuple(dict.fromkeys(name for ladder in LADDERS for name in ladder))
    below = {upper: lower for ladder in LADDERS for lower, upper in pairwise(ladder)}
    stages = [
        Stage(
            name=name,
            kind="recorded",
            parents=(below[name],) if name in below else (),
            key=f"{crc32(name.encode()):012x}",
        )
        for name in names
    ]
    ways = [(lower, upper) for lower, upper in ((below[name], name) for name in names if name in below)]
    ways += [(ladder[0], ladder[-1]) for ladder in LADDERS if len(ladder) > 2]
    ways += [(names[3], names[2]), (names[8], names[6]), (names[0], names[4]), (names[1], names[5])]
    dialects = Audit(
        name="dialects", uses="dialects", items=894, reference={"dialect": "en_us"},
        codes=DIALECTS,
        measures={
            "accuracy": Measure("share of games in which the model wrote the word and no other", comparable=False),
            "answered": Measure("share of games with any of the six words", better="neither", comparable=False),
            "forced_choice": Measure("share of games whose word was likeliest", chance=1 / 6, comparable=False),
        },
        description="A recorded game of Taboo between speakers of Indian, Nigerian and American English.",
    )  # fmt: skip
    measure = Measure("overlap of the answer's words with the right answer's (F1)", comparable=False)
    tydiqa = Audit(
        name="tydiqa", uses="tydiqa", items=5077, reference={"language": "en"},
        measures=dict.fromkeys(("f1", "exact_match", "f1_script", "exact_match_script"), measure),
        description="Questions about a passage, asked by speakers of nine languages about their own articles.",
    )  # fmt: skip
    random = np.random.default_rng(7)
    plans = []
    players = {"en_in": 216, "en_ng": 251, "en_us": 427}
    readers = {"ar": 921, "bn": 113, "en": 440, "fi": 782, "id": 565, "ko": 276, "ru": 812, "sw": 499, "te": 669}
    for audit, slice_name, groups in ((dialects, "dialect", players), (tydiqa, "language", readers)):
        for name in audit.measures:
            ease = {group: float(random.uniform(0.3, 0.6)) for group in groups}
            climb = {stage: float(random.uniform(-0.05, 0.1)) for stage in names}
            skill = {
                stage: {group: ease[group] + climb[stage] + float(random.normal(0, 0.03)) for group in groups}
                for stage in names
            }
            plans.append(Plan(audit=audit, measure=name, slice=slice_name, skill=skill, items=groups))
    return findings("Nine models that others aligned", stages, ways, plans)
