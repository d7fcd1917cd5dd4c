"""MD3's release as one row a game: who describes what, and all that was said until the word was named.

The release is a folder of tables, two of them for each dialect. `prompts_<dialect>.tsv` says what was to be guessed:
`clip_identifier`, `game_type`, `prompt_status`, `correct_word/image`, `distractors`. `transcripts_<dialect>.tsv`
says what was said, an utterance a row: `clip_identifier`, `speaker_id`, `transcript`, and where given `match_id`, the
two players who met. (These are the columns that published code reads; the release itself was not at hand.) Other tables
are passed over.

Two players who meet speak one dialect, so that a match that stands in two dialects is two dialogues. It is no sign that
the same was played: clips are named after a random match, the round, the side and the prompt, as in
`20y5iewb_r02_s0_p008`.
Source: Eisenstein et al. 2023, arXiv:2305.11355; kaggle.com/datasets/jacobeis99/md3en, under its own licence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from pluralign.errors import InputError
from pluralign.records.row import Row, require, text

WORD = "correct_word/image"
CLIP = "clip_identifier"
GAME = (CLIP, "game_type", "prompt_status", WORD)
UTTERANCE = (CLIP, "speaker_id", "transcript")


@dataclass(slots=True)
class _Clip:
    """What was said in a clip, line by line; `last` holds each speaker's last line, `match` who met, `table` where."""

    match: str
    table: str
    lines: list[str] = field(default_factory=list[str])
    last: dict[str, str] = field(default_factory=dict[str, str])


def is_release(rows: Sequence[Row]) -> bool:
    """Whether rows are those of the release's tables."""
    return any(WORD in row for row in rows)


def is_won_word(row: Row) -> bool:
    """Whether a row's game was about a word and was won, as far as its columns tell."""
    return row.get("game_type", "word") == "word" and row.get("prompt_status", "win") == "win"


def count_won(rows: Sequence[Row]) -> int:
    """How many word games of the release were won, be their transcripts at hand or not."""
    return sum(WORD in row and is_won_word(row) for row in rows)


def before_answer(transcript: str, answer: str) -> str:
    """The lines before the first that contains the answer, whatever the case, be it within another word.

    Source: Ryan et al. 2024, arXiv:2402.15018 (their code).
    """
    said = answer.lower()
    return "\n".join(takewhile(lambda line: said not in line.lower(), transcript.split("\n")))


def games(rows: Sequence[Row]) -> Iterator[Row]:
    """The won word games of the release, each with its transcript cut before the answer.

    A row has `dialect`, `transcript`, `answer`, `clip_id`, `dialogue_id`, and `distractors` where the release has them.
    As the authors do, an utterance is left out that repeats a row, or its speaker's last one. A game is left out whose
    transcript never says the answer, since it was misspelt there and nobody knows where to cut.

    Raises: InputError with the row's number where a column is missing or unfit, where a clip stands in two tables, and
    where there are no transcripts.
    """
    clips = _clips(rows)
    if not clips:
        needed = ", ".join(UTTERANCE)
        raise InputError(f"no transcripts: transcripts_DIALECT.tsv with {needed} must stand beside the prompts")
    for number, row in enumerate(rows, start=1):
        if WORD not in row:
            continue
        require(row, number, GAME)
        clip = clips.get(text(row, CLIP, number))
        if clip is None or not is_won_word(row):
            continue
        answer, said = text(row, WORD, number), "\n".join(clip.lines)
        cut = before_answer(said, answer)
        if cut != said:
            dialect = _dialect(row, number)
            yield {
                "dialect": dialect,
                "transcript": cut,
                "answer": answer,
                "clip_id": row[CLIP],
                "dialogue_id": f"{dialect} {clip.match}",
                **{column: row[column] for column in ("distractors",) if column in row},
            }


def _clips(rows: Sequence[Row]) -> dict[str, _Clip]:
    clips: dict[str, _Clip] = {}
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows, start=1):
        if "transcript" not in row or WORD in row:
            continue
        require(row, number, UTTERANCE)
        spoken = tuple(map(str, row.values()))
        name, speaker, line = (text(row, column, number, may_be_empty=True).strip() for column in UTTERANCE)
        table = str(row.get("split", ""))
        clip = clips.setdefault(name, _Clip(str(row.get("match_id") or name), table))
        if clip.table != table:
            raise InputError(f'row {number}: the clip "{name}" stands in {clip.table} and in {table}; keep one of them')
        if speaker and line and spoken not in seen and clip.last.get(speaker) != line:
            clip.lines.append(f"{speaker}: {line}")
            clip.last[speaker] = line
        seen.add(spoken)
    return clips


def _dialect(row: Row, number: int) -> str:
    """The dialect that a row names, or else the name of the table that it stands in."""
    if "dialect" in row:
        return text(row, "dialect", number)
    table = str(row.get("split", ""))
    if not table.startswith("prompts_"):
        raise InputError(f'row {number}: no column "dialect", and its table is not called prompts_DIALECT.tsv')
    return table.removeprefix("prompts_")
