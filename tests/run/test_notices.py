"""What a run says of measures that some stages do not give."""

from pluralign.run.findings import Answers, _Reader


def test_measures_that_the_same_stages_lack_share_a_notice() -> None:
    reader = _Reader(Answers(), {})
    reader.notices.append("dpo was not asked.")
    reader.without |= {
        ("dialects", "accuracy"): ["reward"],
        ("dialects", "answered"): ["reward"],
        ("dialects", "forced_choice_sum"): ["reward", "judge"],
        ("reading", "accuracy_sum"): ["reward"],
    }
    assert reader.said() == [
        "dpo was not asked.",
        'dialects: no "accuracy", "answered" from reward.',
        'dialects: no "forced_choice_sum" from reward, judge.',
        'reading: no "accuracy_sum" from reward.',
    ]
