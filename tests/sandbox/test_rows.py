"""The rows are complete, the same every time, held out from the base's text, and parallel across languages."""

import re
from collections import Counter, defaultdict
from itertools import combinations, islice
from math import exp
from random import Random

import pytest

from pluralign.errors import InputError
from pluralign.sandbox import SEED
from pluralign.sandbox.corpus import DIALECTS, ENGLISH, LANGUAGES, OTHERS, document, documents
from pluralign.sandbox.game import play_freely
from pluralign.sandbox.passages import (
    Question,
    audit_passages,
    held_out_pairs,
    passage_text,
    question_text,
    tell_freely,
)
from pluralign.sandbox.raters import PANEL, Answer, choose, panel, raters, worth
from pluralign.sandbox.rows import AUDIT_DIALOGUES, audit_dialogues, rows
from pluralign.sandbox.world import dialects, languages, things

COLUMNS = {
    "preferences": {"prompt", "chosen", "rejected", "group", "language", "prompt_id"},
    "dialects": {"dialect", "transcript", "answer", "distractors", "clip_id"},
    "texts": {"language", "document", "text"},
    "reading": {
        "link",
        "question_number",
        "flores_passage",
        "question",
        "mc_answer1",
        "mc_answer2",
        "mc_answer3",
        "mc_answer4",
        "correct_answer_num",
        "dialect",
    },
    "countries": {"Sentiment", "Questions", "Response Format"},
    "where_from": {"Questions", "Response Format"},
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_row_is_complete(name):
    for row in rows(name):
        assert row.keys() == COLUMNS[name]
        texts = [text for value in row.values() for text in (value if isinstance(value, list) else [str(value)])]
        assert all(text.strip() for text in texts)


def test_completions_begin_with_a_space_and_are_short():
    lengths = []
    for row in rows("preferences"):
        for text in (row["chosen"], row["rejected"]):
            assert text.startswith(" ")
            assert text == f" {text.strip()}"
            lengths.append(len(text.split()))
    assert sorted(lengths)[int(0.95 * len(lengths))] <= 30


@pytest.mark.parametrize("name", COLUMNS)
def test_two_calls_give_the_same_rows(name):
    assert rows(name) == rows(name)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match='unknown data set "dialect"; did you mean "dialects"'):
        rows("dialect")


def test_documents_depend_on_the_seed_alone():
    first, again, other = (list(islice(documents(seed), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_shares_add_up():
    for shares in (LANGUAGES, DIALECTS, ENGLISH, OTHERS):
        assert sum(shares.values()) == pytest.approx(1)
    assert LANGUAGES.keys() == languages().keys()
    assert DIALECTS.keys() == dialects().keys()


def test_a_transcript_never_says_its_word():
    for row in rows("dialects"):
        assert row["answer"].lower() not in row["transcript"].lower()


def test_every_dialect_describes_the_same_things_in_dialogues_of_its_own():
    described = {dialect: [game.thing for game in audit_dialogues(dialect)] for dialect in dialects()}
    assert len({tuple(things) for things in described.values()}) == 1
    assert len({row["transcript"] for row in rows("dialects")}) == len(rows("dialects"))
    assert Counter(row["dialect"] for row in rows("dialects")) == dict.fromkeys(dialects(), AUDIT_DIALOGUES)


def test_distractors_are_five_other_things_of_the_kind():
    kinds = {(dialect, thing.words[dialect]): thing.kind for thing in things().values() for dialect in dialects()}
    for row in rows("dialects"):
        words = [row["answer"], *row["distractors"]]
        assert len(set(words)) == 6
        assert len({kinds[row["dialect"], word] for word in words}) == 1


def test_the_audits_dialogues_are_in_no_text_and_no_preference():
    transcripts = [row["transcript"] for row in rows("dialects")]
    seen = "\n\f\n".join([*islice(documents(SEED), 1500), *(row["prompt"] for row in rows("preferences"))])
    assert [text for text in transcripts if text in seen] == []


def test_free_games_never_tell_the_facts_that_are_held_out():
    held = defaultdict(set)
    for dialect in dialects():
        for game in audit_dialogues(dialect):
            held[game.thing].add(game.facts)
    rng = Random(3)
    for thing in things().values():
        for dialect in dialects().values():
            told = play_freely(thing, dialect, rng).facts
            assert not any(facts <= told for facts in held[thing.key])


def test_free_passages_never_tell_of_pairs_that_are_held_out():
    rng = Random(5)
    assert all(tell_freely(rng).pair not in held_out_pairs() for _ in range(2000))
    assert len(held_out_pairs()) == len(audit_passages())


def test_the_audits_passages_are_in_no_text():
    passages = {passage_text(passage, language) for passage in audit_passages() for language in languages().values()}
    for number in range(1500):
        assert document(Random(f"{SEED}/text/{number}")).split("\n")[0] not in passages


def test_reading_is_parallel_across_languages():
    by_question = defaultdict(dict)
    for row in rows("reading"):
        by_question[row["link"], row["question_number"]][row["dialect"]] = row
    assert len(by_question) == 2 * len(audit_passages())
    for told in by_question.values():
        assert told.keys() == languages().keys()
        assert len({row["correct_answer_num"] for row in told.values()}) == 1
        for row in told.values():
            assert len({row[f"mc_answer{place}"] for place in range(1, 5)}) == 4


def test_the_right_answer_stands_in_the_passage_or_names_a_kind():
    kinds = {kind for language in languages().values() for kind in language.kinds.values()}
    for row in rows("reading"):
        answer = row[f"mc_answer{row['correct_answer_num']}"]
        assert answer in kinds or answer.lower() in row["flores_passage"].lower()


def test_right_answers_stand_in_every_place_about_equally_often():
    counts = Counter(row["correct_answer_num"] for row in rows("reading") if row["dialect"] == "eng_Latn")
    assert counts.keys() == set("1234")
    assert max(counts.values()) < 0.4 * sum(counts.values())


def test_two_questions_on_a_passage_differ():
    asked = [(row["dialect"], row["flores_passage"], row["question"]) for row in rows("reading")]
    assert len(set(asked)) == len(asked)


def test_groups_choose_opposite_sides_on_shared_prompts():
    chosen_by = defaultdict(lambda: defaultdict(set))
    for row in rows("preferences"):
        chosen_by[row["prompt_id"]][row["chosen"], row["rejected"]].add(row["group"])
    opposed = Counter()
    for prompt_id, pairs in chosen_by.items():
        for chosen, rejected in pairs:
            opposed[prompt_id.split("/")[0]] += (rejected, chosen) in pairs
    assert opposed["naming"] >= 20
    assert opposed["style"] >= 20
    assert opposed["own_language"] >= 10


def test_groups_mostly_agree_on_which_word_wins_a_game():
    chosen = defaultdict(list)
    for row in rows("preferences"):
        if row["prompt_id"].startswith("game/"):
            chosen[row["prompt_id"]].append(row["chosen"])
    shared = [words for words in chosen.values() if len(words) > 1]
    assert len(shared) >= 30
    assert sum(len(set(words)) == 1 for words in shared) / len(shared) > 0.8


def test_one_prompt_id_is_one_prompt():
    prompts = defaultdict(set)
    for row in rows("preferences"):
        prompts[row["prompt_id"]].add((row["prompt"], row["language"], *sorted((row["chosen"], row["rejected"]))))
        assert row["chosen"] != row["rejected"]
    assert all(len(found) == 1 for found in prompts.values())


def test_a_group_answers_a_prompt_once():
    asked = [(row["group"], row["prompt_id"]) for row in rows("preferences")]
    assert len(set(asked)) == len(asked)


def test_the_better_liked_answer_wins_as_often_as_bradley_and_terry_say():
    group = raters()["united_states"]
    english, own = Answer("short", {}), Answer("long", {"own_language": 1.0})
    rng = Random(7)
    wins = sum(choose(group, english, own, rng)[0] is english for _ in range(4000)) / 4000
    assert wins == pytest.approx(1 / (1 + exp(-1.2)), abs=0.025)


def test_no_group_as_a_whole_prefers_a_style_and_every_group_disagrees_within():
    answers = [Answer(trait, {trait: 1.0}) for trait in ("brief", "courteous", "own_example")]
    shares = defaultdict(set)
    for group in raters():
        people = panel(group)
        assert len(people) == PANEL
        for first, second in combinations(answers, 2):
            share = sum(worth(one, first) > worth(one, second) for one in people) / PANEL
            assert 0.25 < share < 0.75
            shares[first.text, second.text].add(share)
    assert {len(found) for found in shares.values()} == {1}


def test_one_group_chooses_brief_answers_and_courteous_ones():
    courteous = defaultdict(list)
    for row in rows("preferences"):
        texts = [row["chosen"], row["rejected"]]
        if row["prompt_id"].startswith("style/") and sum("Thank you" in text for text in texts) == 1:
            courteous[row["group"]].append("Thank you" in row["chosen"])
    assert courteous.keys() == raters().keys()
    for chosen in courteous.values():
        assert 0.2 < sum(chosen) / len(chosen) < 0.8


def test_swahili_says_where_a_thing_is_as_it_asks():
    swahili = languages()["swh_Latn"]
    for passage in audit_passages():
        for half, told in enumerate(passage.halves):
            question = question_text(Question(ask="at", half=half, options=(), correct=0), passage, swahili)
            opening, agreed, where = question.rsplit(" ", 2)
            assert where == "wapi?"
            assert f"{opening} {agreed} {swahili.places[told.place]}." in passage_text(passage, swahili)


def test_national_words_differ():
    said = [
        re.match(r"What people in (?:the )?[\w ]+ call (.+), people in (?:the )?[\w ]+ call (.+)\.$", text)
        for text in islice(documents(3), 6000)
        if text.startswith("What people in")
    ]
    assert len(said) >= 40
    for found in said:
        assert found
        assert found[1] != found[2]


def test_hindi_passages_hold_no_latin_letters():
    for row in rows("reading"):
        if row["dialect"] == "hin_Deva":
            texts = [row["flores_passage"], row["question"], *(row[f"mc_answer{place}"] for place in range(1, 5))]
            assert not any(letter.isascii() and letter.isalpha() for letter in "".join(texts))
