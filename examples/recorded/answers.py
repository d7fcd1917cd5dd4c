"""Questions about a passage in nine languages: audit "tydiqa"."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pluralign.audits.tydiqa import LANGUAGES
from pluralign.errors import InputError
from pluralign.records.item import Item
from pluralign.records.reply import Reply
from pluralign.records.row import Row

from .places import visible

FOLDER, DECODING = "tydiqa-goldp", "greedy/1-shot"
PLACE = f"{FOLDER}/<model>/{DECODING}/*.json"
GOLD = "tydiqa-goldp-dev-"


def found(root: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The model and the files of everyone's answers, one a language."""
    for folder in visible((root / "outputs" / FOLDER).glob("*")):
        files = tuple(visible((folder / DECODING).glob("*.json")))
        if files:
            yield folder.name, files


def rows(root: Path) -> Iterator[Row]:
    """The questions with their passages and right answers."""
    for _, files in found(root):
        for _ in replies(files, ()):  # what is damaged is found before anything is computed
            pass
    gold = _gold_files(root)
    if not gold:
        raise InputError(f'data_root: "{root / "data" / "tydiqa"}" holds no gold answers ({GOLD}<language>.json)')
    for file, language in gold:
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


def replies(files: Sequence[Path], items: Sequence[Item]) -> Iterator[Reply]:
    """What one model answered. A question's item is its id."""
    for file in files:
        for question, answer in _json(file).items():
            if answer is not None and not isinstance(answer, str):
                raise InputError(f'{file}: the answer to "{question}" is {answer!r}; it must be text')
            yield Reply(item=question, ask=0, text=answer)


def notices(root: Path) -> Iterator[str]:
    """Other ways of decoding, and languages whose code is not known."""
    for folder in visible((root / "outputs" / FOLDER).glob("*/*/*-shot")):
        if not folder.match(DECODING):
            yield f'"{folder}" is left out: only {DECODING} is read'
    for _, language in _gold_files(root):
        if language not in LANGUAGES:
            yield f'The language "{language}" has no known code: it keeps its name'


def _gold_files(root: Path) -> list[tuple[Path, str]]:
    """Gold file and the data set's name of its language."""
    files = visible((root / "data" / "tydiqa").glob(f"**/{GOLD}*.json"))
    return [(file, file.stem.removeprefix(GOLD)) for file in files]


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
