"""Do what is missing of a run, in order: data, stages, audits; then read, estimate, compare, report."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pluralign import store
from pluralign.asking import ask
from pluralign.data import mix
from pluralign.errors import PluralignError, RunError
from pluralign.run import environment, plan
from pluralign.run.findings import Answers, find, write
from pluralign.run.parts import Exam, Prepared, Rung, Voices
from pluralign.subjects.recorded import RecordedSubject

Meter = Callable[..., None]
"""Called with `completed`, and optionally `total` and `note`, to move a progress bar."""


def execute(prepared: Prepared, *, command: str) -> str:
    """Make what is missing and write the report; gives the terminal's last lines: the verdict, and where it is."""
    folder = prepared.folder
    with store.locked(folder):
        every = list(plan.steps(prepared))
        todo = sum(step.state != "done" for step in every)
        print(f"{prepared.file.path}: {todo} of {len(every)} steps to do", file=sys.stderr, flush=True)
        store.write_text(folder / "resolved.toml", tomli_w.dumps(prepared.file.resolved))
        made_on = environment.describe(command)
        store.write_json(folder / environment.FILE, made_on)
        with _progress() as progress:
            for voices in prepared.voices:
                _keep(voices, folder, made_on)
            for rung in prepared.rungs:
                if rung.entry is not None and rung.entry.state(folder) != "done":
                    with _bar(progress, f"train {rung.stage.name}") as meter:
                        _train(rung, prepared, meter, made_on)
            answers = _ask_all(prepared, progress, made_on)
            with _bar(progress, "report") as meter:
                meter(total=1)
                last_lines = write(find(prepared, answers, command=command), folder / "report")
                meter(completed=1)
    return last_lines


def report_only(prepared: Prepared, *, command: str) -> str:
    """Write the report from the replies that are on disk; says which are missing."""
    if not prepared.folder.is_dir():
        raise RunError(f"{prepared.folder}: nothing has been run yet; `pluralign run {prepared.file.path}` comes first")
    with store.locked(prepared.folder):
        answers: Answers = {}
        for rung in prepared.rungs:
            for exam in prepared.exams:
                path = plan.replies_path(rung, exam, prepared)
                if plan.takes(rung, exam) and path.exists():
                    answers[exam.part.name, rung.stage.name] = ask.read_replies(path)
        if not answers:
            raise RunError(f"{prepared.folder}: no replies yet; `pluralign run {prepared.file.path}` comes first")
        return write(find(prepared, answers, command=command), prepared.folder / "report")


def _keep(voices: Voices, folder: Path, made_on: Mapping[str, str]) -> None:
    """Write a data set as it is trained on, and a card that says whose voice is in it."""
    if voices.entry.state(folder) == "done":
        return
    with store.making(voices.entry, folder) as partial:
        with (partial / "preferences.jsonl").open("w", encoding="utf-8") as file:
            for split, preferences in (("train", voices.train), ("held_out", voices.held_out)):
                for preference in preferences:
                    row = {"split": split, **dataclasses.asdict(preference)}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        store.write_json(partial / environment.FILE, made_on)
        store.write_json(
            partial / "card.json", {"train": mix.card(voices.train), "held_out": mix.card(voices.held_out)}
        )


def _train(rung: Rung, prepared: Prepared, meter: Meter, made_on: Mapping[str, str]) -> None:
    from pluralign.train.loop import Job, train

    part, entry = rung.part, rung.entry
    if part is None or entry is None or part.module is None or part.weigh is None or part.training is None:
        raise ValueError(f"stage {rung.stage.name} is not one that is trained")
    voices = next(voices for voices in prepared.voices if voices.name == part.header.data)
    reference = prepared.rung(rung.stage.reference).model if rung.stage.reference else None
    with store.making(entry, prepared.folder) as partial, _named(f"stage {rung.stage.name}"):
        train(
            Job(
                method=part.module,
                options=part.options,
                training=part.training,
                parent=_model(prepared.rung(part.parent)),
                reference=reference,
                preferences=voices.train,
                held_out=voices.held_out,
                weighting=part.weigh,
                seed=prepared.file.general.seed,
                template=prepared.file.general.template,
                out=partial,
                on_step=meter,
            )
        )
        store.write_json(partial / "stage.json", dataclasses.asdict(rung.stage))
        store.write_json(partial / environment.FILE, made_on)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Put the stage's or the audit's name before what went wrong in it."""
    try:
        yield
    except PluralignError as error:
        raise type(error)(f"{what}: {error}") from error


def _model(rung: Rung) -> Path:
    if rung.model is None:
        raise ValueError(f"stage {rung.stage.name} has no model")
    return rung.model


def _ask_all(prepared: Prepared, progress: Progress, made_on: Mapping[str, str]) -> Answers:
    """Every stage answers every audit that it can; a model is loaded only where replies are missing."""
    answers: Answers = {}
    for rung in prepared.rungs:
        subject: ask.Subject | None = None
        for exam in prepared.exams:
            if not plan.takes(rung, exam):
                continue
            path = plan.replies_path(rung, exam, prepared)
            replies = ask.read_replies(path)
            if not plan.answered(rung, exam, path, replies):
                what = f"ask {rung.stage.name}: {exam.part.name}"
                with _named(f"audit {exam.part.name} of {rung.stage.name}"), _bar(progress, what) as meter:
                    if rung.recorded is not None:
                        path.unlink(missing_ok=True)
                        subject = _recorded(rung, exam, prepared)
                    subject = subject or _load(rung, prepared)
                    replies = _ask(subject, rung, exam, prepared, meter)
                    store.write_json(path.with_name(environment.FILE), made_on)
            answers[exam.part.name, rung.stage.name] = replies
    return answers


def _ask(subject: ask.Subject, rung: Rung, exam: Exam, prepared: Prepared, meter: Meter) -> ask.Replies:
    entry = plan.audit_entry(rung, exam, prepared)
    folder = entry.folder(prepared.folder)
    folder.mkdir(parents=True, exist_ok=True)
    store.write_json(folder / "made_of.json", entry.made_of)
    meter(total=len(ask.expected(exam.items, subject.answers)))
    replies = ask.ask(subject, exam.items, folder / f"{rung.stage.name}.jsonl", tick=lambda done: meter(completed=done))
    notice = subject.notice() if isinstance(subject, RecordedSubject) else None
    if notice:
        store.write_text(folder / plan.NOTICE, notice + "\n")
    if len(exam.items) == exam.total:
        held = ask.read_replies(folder / f"{rung.stage.name}.jsonl")
        store.write_text(folder / "DONE", f"{sum(map(len, held.values()))}\n")
    return replies


def _recorded(rung: Rung, exam: Exam, prepared: Prepared) -> RecordedSubject:
    adapter = prepared.file.recorded
    if adapter is None or rung.recorded is None:
        raise ValueError(f"stage {rung.stage.name} is not recorded")
    audit = exam.part.header.uses
    files = rung.recorded[audit]
    return RecordedSubject(
        name=rung.stage.name,
        replies=lambda items: adapter.module.replies(audit, files, items, adapter.options),
        known=exam.every,
    )


def _load(rung: Rung, prepared: Prepared) -> ask.Subject:
    general = prepared.file.general
    if rung.stage.kind == "reward":
        from pluralign.subjects.reward import RewardSubject

        return RewardSubject.load(rung.stage.name, _model(rung), dtype=general.dtype, template=general.template)
    from pluralign.subjects.local import LocalSubject

    return LocalSubject.load(rung.stage.name, _model(rung), dtype=general.dtype, template=general.template)


def _progress() -> Progress:
    """Bars on a terminal; elsewhere one line as each thing is done."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def _bar(progress: Progress, what: str) -> Iterator[Meter]:
    task = progress.add_task(what, total=None, note="")

    def move(*, completed: int = 0, total: int | None = None, note: str = "") -> None:
        if total is not None:
            progress.update(task, total=total)
        progress.update(task, completed=completed, note=note)

    yield move
    done = next(each for each in progress.tasks if each.id == task)
    progress.update(task, total=done.completed, completed=done.completed)
    if progress.disable:
        print(f"{what}: done ({done.completed:.0f} in {done.elapsed or 0:.0f} s)", file=sys.stderr, flush=True)
