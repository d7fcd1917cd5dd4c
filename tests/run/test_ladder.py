"""Transitions go from rung to rung and from the bottom to each; absent stages are skipped and said to be."""

from pluralign.records.stage import Stage
from pluralign.run.ladder import climbs, declared, parents, ways


def test_climbs_are_adjacent_and_from_the_bottom() -> None:
    assert climbs([["base", "sft", "dpo"]]) == (("base", "sft"), ("sft", "dpo"), ("base", "dpo"))
    assert climbs([["base", "sft", "dpo"], ["base", "sft", "rloo"]]) == (
        ("base", "sft"),
        ("sft", "dpo"),
        ("base", "dpo"),
        ("sft", "rloo"),
        ("base", "rloo"),
    )


def test_reward_models_are_no_rung() -> None:
    stages = [
        Stage(name="base", kind="base"),
        Stage(name="sft", kind="sft", parents=("base",)),
        Stage(name="reward", kind="reward", parents=("sft",)),
        Stage(name="dpo", kind="policy", parents=("sft",)),
        Stage(name="chat", kind="model", parents=("base",)),
    ]
    assert ways(stages) == [["base", "sft", "dpo"], ["base", "chat"]]


def test_absent_stages_are_skipped_with_a_notice() -> None:
    ladders, notices = declared([["a", "b", "c"], ["a", "x"]], ["a", "c", "new"])
    assert ladders == [["a", "c"], ["a"]]
    assert climbs(ladders) == (("a", "c"),)
    assert any("no recorded outputs of b" in notice for notice in notices)
    assert any("new" in notice for notice in notices)
    assert parents(ladders) == {"c": ("a",)}
