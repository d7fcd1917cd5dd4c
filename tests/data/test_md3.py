"""MD3's tables, of our own making, become games: cut before the answer, without doublets, grouped by who met."""

from pathlib import Path

import pytest

from pluralign.audits import dialects
from pluralign.data.md3 import before_answer, games, is_release
from pluralign.data.rows import read
from pluralign.errors import InputError

PROMPTS = "clip_identifier\tgame_type\tprompt_status\tcorrect_word/image\tdistractors\n"
UTTERANCES = "clip_identifier\tspeaker_id\ttranscript\tmatch_id\n"
FIVE = "['Pedal', 'Scooter', 'Ride', 'Helmet', 'Road']"


def write(folder: Path, prompts: str, utterances: str, dialect: str = "en_in") -> None:
    (folder / f"prompts_{dialect}.tsv").write_text(PROMPTS + prompts, encoding="utf-8")
    (folder / f"transcripts_{dialect}.tsv").write_text(UTTERANCES + utterances, encoding="utf-8")
    (folder / f"speakers_{dialect}.tsv").write_text("speaker_id\tage\nSpeaker0\t30\n", encoding="utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write(
        tmp_path,
        f"m1_p0\tword\twin\tCycle\t{FIVE}\nm1_p1\tword\twin\tBrinjal\t{FIVE}\nm1_p2\tword\tskip\tPen\t{FIVE}\n"
        f"m1_p3\timage\twin\timg_7\t{FIVE}\nm1_p4\tword\twin\tRihanna\t{FIVE}\nm1_p5\tword\twin\tSilent\t{FIVE}\n",
        "m1_p0\tSpeaker0\tit is having two wheels\tm1\n"
        "m1_p0\tSpeaker1\tok\tm1\n"
        "m1_p0\tSpeaker0\tit is having two wheels\tm1\n"
        "m1_p0\tSpeaker1\tok\tm1\n"
        "m1_p0\tSpeaker1\tok \tm1\n"
        "m1_p0\tSpeaker1\tmotorcycle?\tm1\n"
        "m1_p0\tSpeaker0\tyes\tm1\n"
        "m1_p1\tSpeaker1\t\tm1\n"
        "m1_p1\tSpeaker1\ta purple vegetable\tm1\n"
        "m1_p1\tSpeaker1\tround\tm1\n"
        "m1_p1\tSpeaker1\ta purple vegetable\tm1\n"
        "m1_p1\tSpeaker0\tBRINJAL\tm1\n"
        "m1_p2\tSpeaker0\tpen\tm1\n"
        "m1_p3\tSpeaker0\timg_7\tm1\n"
        "m1_p4\tSpeaker0\tshe sings\tm1\n"
        "m1_p4\tSpeaker1\tRihana\tm1\n",
    )
    write(
        tmp_path,
        f"m2_p0\tword\twin\tTorch\t{FIVE}\n",
        "m2_p0\tSpeaker0\ttorch\tm2\n",
        "en_ng",
    )
    return tmp_path


def table(folder: Path):
    return read(str(folder), sandbox="", beside=folder, place="audit").rows


def test_won_word_games_are_cut_before_the_answer(release: Path) -> None:
    rows = table(release)
    assert is_release(rows)
    found = list(games(rows))
    assert [(row["dialect"], row["answer"], row["clip_id"], row["dialogue_id"]) for row in found] == [
        ("en_in", "Cycle", "m1_p0", "en_in m1"),
        ("en_in", "Brinjal", "m1_p1", "en_in m1"),
        ("en_ng", "Torch", "m2_p0", "en_ng m2"),
    ]
    assert [row["transcript"] for row in found] == [
        "Speaker0: it is having two wheels\nSpeaker1: ok",
        "Speaker1: a purple vegetable\nSpeaker1: round",
        "",
    ]


def test_the_audit_takes_the_folder_as_it_is(release: Path) -> None:
    items = list(dialects.items(table(release), dialects.Options()))
    assert [item.cluster for item in items] == ["en_in m1", "en_in m1", "en_ng m2"]
    assert [item.slices["dialect"] for item in items] == ["en_in", "en_in", "en_ng"]
    assert list(dialects.notices(items, dialects.Options())) == [
        "2 games that were won are left out: their transcripts are missing or never spell the answer"
    ]
    assert items[0].gold["distractors"] == ("Pedal", "Scooter", "Ride", "Helmet", "Road")


@pytest.mark.parametrize("column", ["clip_identifier", "game_type", "prompt_status", "distractors"])
def test_a_column_that_the_prompts_lack_is_named(release: Path, column: str) -> None:
    path = release / "prompts_en_in.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace(column, "other", 1), encoding="utf-8")
    with pytest.raises(InputError, match=f'row 1: no column "{column}"'):
        list(dialects.items(table(release), dialects.Options()))


def test_a_column_that_the_transcripts_lack_is_named(release: Path) -> None:
    path = release / "transcripts_en_in.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace("speaker_id", "who", 1), encoding="utf-8")
    with pytest.raises(InputError, match='no column "speaker_id"'):
        list(games(table(release)))


def test_prompts_without_transcripts_are_refused(release: Path) -> None:
    for path in release.glob("transcripts_*"):
        path.unlink()
    with pytest.raises(InputError, match=r"no transcripts: transcripts_DIALECT\.tsv with clip_identifier, speaker_id"):
        list(games(table(release)))


def test_a_clip_in_two_tables_is_refused(release: Path) -> None:
    write(release, f"m1_p0\tword\twin\tTorch\t{FIVE}\n", "m1_p0\tSpeaker0\ttorch\tm1\n", "en_us")
    said = 'the clip "m1_p0" stands in transcripts_en_in and in transcripts_en_us; keep one of them'
    with pytest.raises(InputError, match=said):
        list(games(table(release)))


def test_one_match_in_two_dialects_is_two_dialogues(release: Path) -> None:
    """Two players who meet speak one dialect; the clips are others."""
    write(release, f"m1_p7\tword\twin\tTorch\t{FIVE}\n", "m1_p7\tSpeaker0\ttorch\tm1\n", "en_us")
    clusters = [(item.slices["dialect"], item.cluster) for item in dialects.items(table(release), dialects.Options())]
    assert clusters == [
        ("en_in", "en_in m1"),
        ("en_in", "en_in m1"),
        ("en_ng", "en_ng m2"),
        ("en_us", "en_us m1"),
    ]


def test_the_cut_is_the_authors_and_a_cut_transcript_stays() -> None:
    said = "Speaker0: you ride it\nSpeaker1: motorcycle?\nSpeaker0: shorter\nSpeaker1: Cycle"
    cut = before_answer(said, "Cycle")
    assert cut == "Speaker0: you ride it"
    assert before_answer(cut, "Cycle") == cut
