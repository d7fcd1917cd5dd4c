"""`pluralign audit`: check what it asks for, write the run file that it stands for, and give what is to be run."""

import re
import shlex
import sys
from itertools import count
from pathlib import Path

from pluralign.errors import InputError
from pluralign.run.draft import Draft, Request, draft
from pluralign.run.parts import Prepared
from pluralign.run.prepare import prepare as prepare_run
from pluralign.runfile.read import check
from pluralign.store import check_writable, write_text

_LIMIT = re.compile(r"^limit = \d+\n", re.MULTILINE)


def prepare(request: Request, runs: Path, name: str | None) -> Prepared:
    """Check a request whole, then write its run file into `runs`, say where, and give what is to be run.

    Raises: InputError before anything is written.
    """
    check_writable(runs)
    found = draft(request)
    path, said = choose_path(found, runs, name)
    prepared = prepare_run(check(found.table, path), runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, found.text)
    elsewhere = "" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"
    repeat = f"pluralign run {shlex.quote(str(path))}{elsewhere}"
    print(f"{path}: {said}; the same again: {repeat}", file=sys.stderr, flush=True)
    return prepared


def choose_path(found: Draft, runs: Path, name: str | None) -> tuple[Path, str]:
    """Where a draft is to stand in `runs`, and in words what writing it there does.

    A file that differs in its limit alone is the same audit, and is to be replaced. For one that differs otherwise a
    number is put behind the draft's own name; `name`, where the user gave it, is not changed.

    Raises: InputError for a `name` that is none, or whose file holds another run.
    """
    if name is not None and (name != Path(name).name or name.startswith(".")):
        raise InputError(f'--name "{name}": give a plain name, without folders')
    numbered = (found.name if number == 1 else f"{found.name}-{number}" for number in count(1))
    for stem in numbered if name is None else [name]:
        path = runs / f"{stem}.toml"
        said = _change(found, path)
        if said is not None:
            return path, said
    raise InputError(f"--name {name}: {runs / str(name)} is another run already; choose another name")


def _change(found: Draft, path: Path) -> str | None:
    """What writing the draft to `path` changes, in words; None where another run stands there."""
    if not path.exists():
        return None if path.with_suffix("").exists() else "written"
    old = path.read_bytes().decode(errors="replace")
    if old == found.text:
        return "there already, the same"
    return "there already, its limit changed" if _LIMIT.sub("", old) == _LIMIT.sub("", found.text) else None
