"""Reads the recorded outputs of "Unintended Impacts of LLM Alignment on Global Representation", arXiv:2402.15018.

`data_root` is a clone of the authors' repository. What is in it is found by its place, never by a model's name:

    outputs/md3-game/<model>.csv                                     audit "dialects"
    outputs/tydiqa-goldp/{<model>}/greedy/1-shot/<language>.json     audit "tydiqa", with the gold answers in
    data/tydiqa/**/tydiqa-goldp-dev-<language>.json
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pluralign.audits.tydiqa import LANGUAGES
from pluralign.data.delimited import read_delimited
from pluralign.errors import InputError, unknown
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

VERSION = 1
ENDINGS = ("-no-answers", "-reformatted", "_8bit")
ALIASES = {"OpenChat3.5-7B": "OpenChat3.5", "Starling-7B-alpha": "starling-alpha-7b"}
"""Two spellings of one model in the authors' files."""

GAMES, QUESTIONS, DECODING = "md3-game", "tydiqa-goldp", "greedy/1-shot"
GOLD = "tydiqa-goldp-dev-"
SHARED = ("dialect", "transcript", "correct_answer", "distractors")
ANSWERED = ("generated_answer", "correct_answer_prob", "distractor_probs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`data_root`: the folder that holds `outputs` and `data`."""

    data_root: Path


def stages(options: Options) -> dict[str, dict[str, tuple[Path, ...]]]:
    """Stage → audit → its files, for every model that has outputs.

    Raises `InputError` where there are none, or where two files give one stage the same audit.
    """
    root = _root(options)
    found: dict[str, dict[str, tuple[Path, ...]]] = {}
    for audit, name, files in (*_games(root), *_answers(root)):
        audits = found.setdefault(stage_name(name), {})
        if audit in audits:
            first, second = (paths[0] if len(paths) == 1 else paths[0].parent for paths in (audits[audit], files))
            raise InputError(
                f'"{first}" and "{second}" are both audit "{audit}" of stage "{stage_name(name)}"; keep one'
            )
        audits[audit] = files
    if not found:
        raise InputError(
            f'data_root: "{root / "outputs"}" holds no {GAMES}/*.csv and no {QUESTIONS}/<model>/{DECODING}/*.json'
        )
    return dict(sorted(found.items()))


def rows(audit: str, options: Options) -> Iterator[Row]:
    """The questions of an audit, in the columns that it needs.

    Raises `InputError` where a file is damaged, or where two models were not asked the same.
    """
    known: dict[str, Callable[[Path], Iterator[Row]]] = {"dialects": _game_rows, "tydiqa": _question_rows}
    if audit not in known:
        raise InputError(unknown("audit of these recorded outputs:", audit, known))
    root = _root(options)
    for _, _, files in _games(root) if audit == "dialects" else _answers(root):
        for _ in replies(audit, files, (), options):  # what is damaged is found before anything is computed
            pass
    return known[audit](root)


def replies(audit: str, files: Sequence[Path], items: Sequence[Item], options: Options) -> Iterator[Reply]:
    """What one model answered. A game's item is the number of its row, a question's its id."""
    read = {"dialects": _game_replies, "tydiqa": _question_replies}[audit]
    for file in files:
        yield from read(file)


def notices(options: Options) -> Iterator[str]:
    """What is in the outputs and stays out of the audits."""
    root = _root(options)
    for folder in _visible((root / "outputs" / QUESTIONS).glob("*/*/*-shot")):
        if not folder.match(DECODING):
            yield f'"{folder}" is left out: only {DECODING} is read'
    for _, language in _gold_files(root):
        if language not in LANGUAGES:
            yield f'The language "{language}" has no known code: it keeps its name'


def stage_name(name: str) -> str:
    """The model's name: without braces, without the authors' endings, in one spelling.

    >>> stage_name("{OpenChat3.5-7B_8bit}"), stage_name("Tulu-2-DPO_8bit-no-answers")
    ('OpenChat3.5', 'Tulu-2-DPO')
    """
    name = name.removeprefix("{").removesuffix("}")
    while name.endswith(ENDINGS):
        for ending in ENDINGS:
            name = name.removesuffix(ending)
    return ALIASES.get(name, name)


def _root(options: Options) -> Path:
    """`data_root`, checked; the error names the folder that was probably meant."""
    root = options.data_root.expanduser()
    if (root / "outputs").is_dir():
        return root
    if not root.is_dir():
        siblings = [path.name for path in root.parent.glob("*/")]
        near = get_close_matches(root.name, siblings, n=1)
        hint = f'; did you mean "{root.parent / near[0]}"?' if near else ""
        raise InputError(f'data_root: there is no folder "{root}"{hint}')
    inside = [path for path in sorted(root.iterdir()) if (path / "outputs").is_dir()]
    above = [path for path in root.resolve().parents[:3] if (path / "outputs").is_dir()]
    hint = (
        f'; did you mean "{(inside + above)[0]}"?' if inside or above else "; give a clone of the authors' repository"
    )
    raise InputError(f'data_root: "{root}" has no folder "outputs"{hint}')


def _visible(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))


def _games(root: Path) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    for file in _visible((root / "outputs" / GAMES).glob("*.csv")):
        yield "dialects", file.stem, (file,)


def _answers(root: Path) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    for folder in _visible((root / "outputs" / QUESTIONS).glob("*")):
        files = tuple(_visible((folder / DECODING).glob("*.json")))
        if files:
            yield "tydiqa", folder.name, files


def _game_rows(root: Path) -> Iterator[Row]:
    tables = {files[0]: _table(files[0]) for _, _, files in _games(root)}
    if not tables:
        raise InputError(f'data_root: "{root / "outputs" / GAMES}" holds no CSV files')
    longest = max(tables, key=lambda file: len(tables[file]))
    for file, table in tables.items():
        for number, (row, expected) in enumerate(zip(table, tables[longest], strict=False), start=1):
            for column in SHARED:
                if row[column] != expected[column]:
                    raise InputError(f'{file}, row {number}: column "{column}" is not that of {longest.name}')
    for row in tables[longest]:
        yield {"answer": row["correct_answer"]} | {column: row[column] for column in SHARED}


def _game_replies(file: Path) -> Iterator[Reply]:
    for number, row in enumerate(_table(file), start=1):
        place = f"{file}, row {number}"
        six = [
            row["correct_answer_prob"],
            *row["distractor_probs"].strip().removeprefix("[").removesuffix("]").split(","),
        ]
        yield Reply(item=str(number), ask=0, text=row["generated_answer"])
        yield Reply(item=str(number), ask=1, logprobs=tuple(_logprob(value, place) for value in six))


def _logprob(probability: str, place: str) -> float:
    """Nats; an empty field is NaN, as pandas writes it."""
    try:
        value = float(probability) if probability.strip() else math.nan
    except ValueError as error:
        raise InputError(f'{place}: "{probability.strip()}" is no probability') from error
    if not math.isnan(value) and not 0 <= value <= 1:
        raise InputError(f"{place}: {value} is no probability")
    return -math.inf if value == 0 else math.log(value)


def _table(file: Path) -> list[dict[str, str]]:
    """All rows of a CSV file; a missing column or a torn line is refused with its place."""
    table = list(read_delimited(file))
    for column in (*SHARED, *ANSWERED):
        if table and column not in table[0]:
            raise InputError(f'{file}, line 1: no column "{column}"; columns: {", ".join(table[0])}')
    if not table:
        raise InputError(f"{file} holds no rows")
    return table


def _gold_files(root: Path) -> list[tuple[Path, str]]:
    """Gold file and the data set's name of its language."""
    files = _visible((root / "data" / "tydiqa").glob(f"**/{GOLD}*.json"))
    return [(file, file.stem.removeprefix(GOLD)) for file in files]


def _question_rows(root: Path) -> Iterator[Row]:
    files = _gold_files(root)
    if not files:
        raise InputError(f'data_root: "{root / "data" / "tydiqa"}" holds no gold answers ({GOLD}<language>.json)')
    for file, language in files:
        document = _json(file)
        try:
            for article in document["data"]:
                for paragraph in article["paragraphs"]:
                    for question in paragraph["qas"]:
                        yield {
                            "id": question["id"],
                            "language": language,
                            "title": article["title"],
                            "context": paragraph["context"],
                            "question": question["question"],
                            "answers": [answer["text"] for answer in question["answers"]],
                        }
        except (KeyError, TypeError) as error:
            raise InputError(f"{file}: not in SQuAD's layout ({type(error).__name__}: {error})") from error


def _question_replies(file: Path) -> Iterator[Reply]:
    for question, answer in _json(file).items():
        if answer is not None and not isinstance(answer, str):
            raise InputError(f'{file}: the answer to "{question}" is {answer!r}; it must be text')
        yield Reply(item=question, ask=0, text=answer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `ValueError` where a key comes twice."""
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f'the key "{key}" comes twice')
        seen[key] = value
    return seen


def _json(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        place = f"{file}, line {error.lineno}, column {error.colno}"
        raise InputError(f"{place}: {error.msg}; is the file torn?") from error
    except ValueError as error:
        raise InputError(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{file}: holds a {type(document).__name__}, not an object of ids and answers")
    return document
