"""CSV and TSV files, read strictly: a file that was torn anywhere is refused."""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pluralign.data.opening import DAMAGED, open_text
from pluralign.errors import InputError


class _Lines:
    """The lines of a file, with the last one that was read."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = file
        self.last = "\n"

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.last = line
            yield line


def read_delimited(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Rows by the header's names, as text. Empty lines are passed over.

    Raises: InputError, with file and line, for a row of more or fewer fields than the header, a header that names a
    column twice, a quotation that does not end, what is not UTF-8, and a file without a line end after its last row,
    which may be torn inside a field.
    """
    csv.field_size_limit(sys.maxsize)
    with open_text(path, newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            for name, number in Counter(header).items():
                if name and number > 1:
                    raise InputError(f'{path}, line 1: {number} columns are called "{name}"; rename all but one')
            for values in reader:
                if values and len(values) != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(values)} fields where the header names {len(header)}; "
                        "is the last line torn?"
                    )
                if values:
                    yield dict(zip(header, values, strict=True))
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: {error}; is the file torn?") from error
        except (UnicodeDecodeError, *DAMAGED) as error:
            raise InputError(f"{path}, after line {reader.line_num}: {error}; is the file torn?") from error
    if not lines.last.endswith(("\n", "\r")):
        raise InputError(f"{path} has no line end after its last row; is it torn? If it is whole, add one")
