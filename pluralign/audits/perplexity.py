"""How well neutral text is predicted in each language: the control that a gain elsewhere is not bought with fluency.

Rows: `text`, `language` (FLORES or BCP-47 code) and `document`, what a text was taken from. FLORES+ is taken as it is
on the hub: its `iso_639_3` and `iso_15924` name the language, its `url` the document, and rows of its split "dev" are
not asked. Texts are never cut: one that is longer than a model takes is missing there, and counted, so paragraphs are
better than books.

A text is scored from its first token on, which follows the beginning-of-sequence token, or else the end token; the end
of the text is not scored. Under template = "chat" it stands as the answer to an empty turn. A group's number is the
mean over its texts, long or short. Bits per byte of UTF-8 do not depend on a model's tokens, so all stages are measured
alike; languages and scripts take more or fewer bytes for the same content, so levels cannot be compared between them.
Source: Gao et al. 2020 (The Pile), arXiv:2101.00027, section 3.1 (bits per UTF-8 byte). Data: the hub's
openlanguagedata/flores_plus (NLLB Team 2022, arXiv:2207.04672), CC BY-SA 4.0; its terms must be accepted there first.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pluralign.data.languages import bcp47
from pluralign.errors import InputError, unknown
from pluralign.records.item import Item, Score
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.reply import Reply, reply_to
from pluralign.records.row import Row, require, text

VERSION = 1
DESCRIPTION = (
    "Neutral text in each language: how well does the model predict it? Scripts take more or fewer bytes for the same "
    "content, so levels cannot be compared between languages; their changes can."
)
MEASURES = {
    "bits_per_byte": Measure(
        "surprise at a text, per byte of UTF-8",
        unit="bits per byte",
        better="lower",
        margin=None,
        comparable=False,
        bounds=None,
    )
}
REFERENCE = {"language": "eng_Latn"}
ROWS = "openlanguagedata/flores_plus"
SANDBOX = "texts"
NEEDS_LOGPROBS = True

COLUMNS = ("text", "language", "document")
FLORES_PLUS = ("text", "iso_639_3", "iso_15924", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`languages`: codes to ask, as the rows spell them; all of them where empty."""

    languages: tuple[str, ...] = ()


def items(rows: Iterable[Row], options: Options) -> Iterator[Item]:
    """One item a text, with one ask: score it after nothing. Its id is the number of its row, counted from 1.

    Raises `InputError` with the row's number where a column is missing or unfit, and where a language of
    `options.languages` has no rows.
    """
    known: set[str] = set()
    for number, row in enumerate(rows, start=1):
        language, document = _origin(row, number)
        known.add(language)
        if _is_asked(row, language, options):
            written = text(row, "text", number)
            yield Item(
                id=str(number),
                asks=(Score(prompt="", completions=(written,)),),
                slices={"language": language},
                cluster=document,
                gold={"bytes": len(written.encode())},
            )
    for language in options.languages:
        if language not in known:
            raise InputError(unknown("language", language, known))


def read(item: Item, replies: Sequence[Reply], options: Options) -> Iterator[Reading]:
    """The text's negative log-probability in bits, over its bytes.

    A recorded reply that does not tell the count of tokens is missing, since it may hold a mean.
    """
    reply = reply_to(replies, 0)
    bits = math.nan
    if reply is not None and reply.logprobs is not None and reply.tokens is not None and len(reply.logprobs) == 1:
        bits = -reply.logprobs[0] / math.log(2)
    yield Reading(measure="bits_per_byte", value=bits / item.gold["bytes"])


def code(slice: str, group: str) -> str:
    """BCP-47 of a language, in its shortest form. What is no language tag stays as it is."""
    return bcp47(group)


def _is_asked(row: Row, language: str, options: Options) -> bool:
    held_back = "iso_639_3" in row and row.get("split") == "dev"
    return not held_back and (not options.languages or language in options.languages)


def _origin(row: Row, number: int) -> tuple[str, str]:
    """The language and the document of a text."""
    if "iso_639_3" in row and "language" not in row:
        require(row, number, FLORES_PLUS)
        return f"{text(row, 'iso_639_3', number)}_{text(row, 'iso_15924', number)}", text(row, "url", number)
    require(row, number, COLUMNS)
    return text(row, "language", number), text(row, "document", number)
