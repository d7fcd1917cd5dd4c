"""CSV and TSV files, read strictly: a file that was torn anywhere is refused."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from pluralign.errors import InputError


def read_delimited(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Rows by the header's names, as text. Empty lines are passed over.

    Raises: InputError, with file and line, for a row of more or fewer fields than the header, a quotation that does not
    end, what is not UTF-8, and a file without a line end after its last row, which may be torn inside a field.
    """
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = next(reader, [])
            for values in reader:
                if values and len(values) != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(values)} fields where the header names {len(header)}; "
                        "is the last line torn?"
                    )
                if values:
                    yield dict(zip(header, values, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, line {reader.line_num + 1}: {error}; is the file torn?") from error
    if not _ends(path):
        raise InputError(f"{path} has no line end after its last row; is it torn? If it is whole, add one")


def _ends(path: Path) -> bool:
    """Whether a file is empty or its last byte ends a line."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n", b"\r")
