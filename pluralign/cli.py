"""The command line: audit, run, plan, report, census, power, names."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter

from pluralign import __version__
from pluralign.allocator import keep_memory
from pluralign.errors import InputError, PluralignError
from pluralign.run.question import Question

if TYPE_CHECKING:
    from pluralign.run.parts import Prepared

app = App(
    name="pluralign",
    version=__version__,
    help="Align language models with many kinds of people, and see, stage by stage, who gains and who loses.",
    help_on_error=False,
)

File = Annotated[Path, Parameter(help="The run file (TOML).")]
Settings = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        help="NAME=VALUE fills a variable; PART.OPTION=VALUE overrides an option (dpo.beta=0.2). May be repeated.",
        negative=(),
    ),
]
Runs = Annotated[Path, Parameter(name="--runs", help="The folder that runs leave their results in.")]
Limit = Annotated[int | None, Parameter(name="--limit", help="Shorten every audit to so many items.")]
Models = Annotated[
    str, Parameter(help="NAME=MODEL: hub ids (owner/name, with @revision if need be) or paths; first base=MODEL.")
]
Audits = Annotated[str, Parameter(name="--audits", help="What to ask, with commas between: belebele,tydiqa.")]
Dtype = Annotated[
    str | None, Parameter(name="--dtype", help="What models compute in, such as bfloat16; float32 unless said.")
]
Name = Annotated[str | None, Parameter(name="--name", help="What the run file is called, instead of its models.")]
OnlyForecast = Annotated[
    bool, Parameter(name="--plan", negative=(), help="Say what it takes, from a few items that are timed, and stop.")
]

Data = Annotated[str, Parameter(help="A file, a folder of shards, or a data set on the hub (docs/data.md).")]


@Parameter(name="*")
@dataclass(kw_only=True)
class Counting:
    """How a census counts.

    Parameters
    ----------
    source
        A source of known rows, such as hh_rlhf; rows in TRL's formats need none.
    columns
        What columns are called: prompt=question,completion=answer.
    split
        One split of a folder or of a data set on the hub.
    identify
        What tells languages: py3langid, "FILE.py:NAME" or "MODULE:NAME".
    characters
        From how much of a text's beginning its language is told.
    tokenizer
        Count its tokens instead of words: a hub id, or a tokenizer.json.
    workers
        Processes on this machine; all cores unless said.
    ray
        The address of a Ray cluster to count on instead, or "local".

    """

    source: str | None = None
    columns: str = ""
    split: str | None = None
    identify: str = "py3langid"
    characters: int = 1000
    tokenizer: str | None = None
    workers: int | None = None
    ray: str | None = None


@app.command
def audit(
    *models: Models,
    audits: Audits,
    limit: Limit = None,
    dtype: Dtype = None,
    name: Name = None,
    settings: Settings = None,
    runs: Runs = Path("runs"),
    only_forecast: OnlyForecast = False,
) -> None:
    """Audit models that exist: `audit base=MODEL tuned=MODEL --audits NAMES` writes a run file and runs it."""
    from pluralign.run import shortcut
    from pluralign.run.draft import Request

    _check_limit(limit)
    request = Request(models=models, audits=audits, limit=limit, dtype=dtype, settings=tuple(settings or ()))
    prepared = shortcut.prepare(request, runs, name)
    from pluralign.run.execute import execute, forecast_only

    print((forecast_only if only_forecast else execute)(prepared, command=_command()))


@app.command
def run(file: File, /, *, settings: Settings = None, runs: Runs = Path("runs"), limit: Limit = None) -> None:
    """Make what is missing of a run: data, stages, audits, report. Ends with the verdict in words."""
    if _shared():
        from pluralign.run.sharing import execute_together

        said = execute_together(lambda: _prepare(file, settings, runs, limit), command=_command())
        print("" if said is None else said, end="" if said is None else "\n")
        return
    prepared = _prepare(file, settings, runs, limit)
    from pluralign.run.execute import execute

    print(execute(prepared, command=_command()))


@app.command
def plan(file: File, /, *, settings: Settings = None, runs: Runs = Path("runs"), limit: Limit = None) -> None:
    """Say what `run` would do, and why, without doing it."""
    prepared = _prepare(file, settings, runs, limit)
    from pluralign.run.plan import describe

    print(describe(prepared))


@app.command
def report(file: File, /, *, settings: Settings = None, runs: Runs = Path("runs"), limit: Limit = None) -> None:
    """Write the report again from the replies on disk, without asking any model."""
    prepared = _prepare(file, settings, runs, limit)
    from pluralign.run.execute import report_only

    print(report_only(prepared, command=_command()))


@app.command
def census(data: Data, /, counting: Counting = Counting(), *, runs: Runs = Path("runs")) -> None:  # noqa: B008
    """Count who is in a data set: languages, dialect markers, countries and identities, by side; leaves a card."""
    from pluralign.run.census import Request, take

    print(take(Request(data=data, **vars(counting)), runs, command=_command()))


@app.command
def power(question: Annotated[Question, Parameter(name="*")] = Question()) -> None:  # noqa: B008
    """Say before anything runs how many items a gain or a gap takes, and what so many items can see."""
    from pluralign.run.power import answer

    print(answer(question))


@app.command
def names() -> None:
    """List what a run file can name: sources, methods, weightings, audits."""
    from pluralign import plugins

    for folder in plugins.FOLDERS:
        print(f"{folder}: {', '.join(plugins.names(folder))}")


def _prepare(file: Path, settings: list[str] | None, runs: Path, limit: int | None) -> "Prepared":
    from pluralign.run.prepare import prepare
    from pluralign.runfile.read import read
    from pluralign.store import check_writable

    _check_limit(limit)
    checked = read(file, settings or ())
    check_writable(runs / file.stem)
    return prepare(checked, runs, limit)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit}: must be at least 1")


def _shared() -> bool:
    """Whether torchrun has started this as one of several processes."""
    return {"RANK", "LOCAL_RANK", "MASTER_ADDR"} <= os.environ.keys() and os.environ.get("WORLD_SIZE", "1") != "1"


def _is_own(error: PluralignError) -> bool:
    """Whether this process is the one to tell of an error; of several, one does."""
    if not _shared():
        return True
    from pluralign.run.sharing import is_own

    return is_own(error)


def _command() -> str:
    return shlex.join(["pluralign", *sys.argv[1:]])


def main() -> None:
    """Entry point: 0 for success, 1 for work that failed, 2 for input that cannot be used, 130 for Ctrl-C."""
    keep_memory()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(_code(lambda: app(exit_on_error=False, print_error=False)))


def _code(call: Callable[[], object]) -> int:
    try:
        call()
    except CycloptsError as error:
        print(f"pluralign: {' '.join(str(error).split())}; see pluralign --help", file=sys.stderr)
        return 2
    except PluralignError as error:
        if _is_own(error):
            print(f"pluralign: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:
        print(f"pluralign: {error}; run the same command again to go on from here", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pluralign: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    return 0
