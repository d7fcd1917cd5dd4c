"""What a run has to do, and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pluralign import engine, plugins, store
from pluralign.asking import ask
from pluralign.asking.ask import Replies
from pluralign.records.item import Choose, Score, Write
from pluralign.run.following import Following, followed, followings
from pluralign.run.parts import Exam, Prepared, Rung
from pluralign.run.references import reference_cache
from pluralign.store import Entry, State

NOTICE = "notice.txt"
"""Beside an audit's replies: what a reader must know about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a run makes. `what` is for people; `state` "done" needs nothing."""

    what: str
    state: State
    why: str = ""


def abilities(rung: Rung) -> frozenset[type]:
    """Which asks a stage can answer: a reward model rewards given completions, and writes nothing."""
    return frozenset({Choose, Score} if rung.stage.kind == "reward" else {Choose, Score, Write})


def takes(rung: Rung, exam: Exam) -> bool:
    """Whether a stage can answer anything of an audit."""
    return unable(rung, exam) is None


def unable(rung: Rung, exam: Exam) -> str | None:
    """Why a stage can answer nothing of an audit; None where it can."""
    if rung.recorded is not None:
        return None if exam.part.header.uses in rung.recorded else "has no recorded replies"
    if rung.stage.kind == "reward" and getattr(exam.part.module, "NEEDS_LOGPROBS", False):
        return "gives rewards, where log-probabilities are asked"
    return None if ask.can_answer(exam.items, abilities(rung)) else "cannot answer it"


def audit_entry(rung: Rung, exam: Exam, prepared: Prepared, about: Rung | None = None) -> Entry:
    """The folder of one stage's replies to one audit, or to what followed from those of the stage `about`.

    A limit is not part of it: replies are kept item by item.
    """
    made_of: dict[str, Any] = {
        "audit": f"{exam.part.header.uses} {plugins.version(exam.part.module)}",
        "engine": engine.VERSION if rung.recorded is None else None,
        "adapter": _adapter_options(prepared) if rung.recorded is not None else None,
        "items": exam.fingerprint,
        "options": _options(exam),
        "template": prepared.template.made_of(),
        "dtype": rung.dtype,
        "quantization": None if rung.header is None else rung.header.quantization,
        "lora": rung.adapter_key,
        "stage_name": rung.stage.name,
        "stage": rung.stage.key,
    }
    if about is None:
        return Entry("audits", exam.part.name, made_of)
    made_of |= {"follows": about.stage.name, "follows_key": audit_entry(about, exam, prepared).key}
    return Entry("audits", f"{exam.part.name}.followed", made_of)


def replies_path(rung: Rung, exam: Exam, prepared: Prepared, about: Rung | None = None) -> Path:
    """Where one stage's replies to one audit stand, or to what followed from those of the stage `about`."""
    folder = audit_entry(rung, exam, prepared, about).folder(prepared.folder)
    return folder / f"{rung.stage.name}.jsonl"


def _options(exam: Exam) -> Any:
    """What of the options the questions depend on: all of them, files by their content, unless the audit says what."""
    module, options = exam.part.module, exam.part.options
    return plugins.as_json(module.basis(options)) if hasattr(module, "basis") else plugins.made_of(options)


def _adapter_options(prepared: Prepared) -> dict[str, Any]:
    """The adapter's options less its paths: what lies there is hashed, where it lies does not matter."""
    part = prepared.file.recorded
    given = {} if part is None else {each.name: getattr(part.options, each.name) for each in fields(part.options)}
    return {name: plugins.as_json(value) for name, value in given.items() if not isinstance(value, Path)}


def answered(rung: Rung, exam: Exam, path: Path, replies: Replies) -> bool:
    """Whether nothing is left to ask: no reply is missing, or `DONE` says that those there are is all there will be.

    Of recorded replies `DONE` alone is believed, since what must be said about them is written just before it.
    """
    done = path.with_name("DONE")
    held = sum(map(len, replies.values()))
    if held and done.is_file() and done.read_text(encoding="utf-8").strip() == str(held):
        return True
    whole = rung.recorded is not None and len(exam.items) == exam.total
    return not whole and not ask.unanswered(exam.items, abilities(rung), replies)


def steps(prepared: Prepared) -> Iterator[Step]:
    """Every step of a run, in order."""
    for voices in prepared.voices:
        yield _step(f"data {voices.name}", voices.entry, prepared.folder)
    for rung in prepared.rungs:
        if rung.entry is not None:
            yield _stage_step(rung, rung.entry, prepared.folder)
    for rung in prepared.rungs:
        for exam in prepared.exams:
            if takes(rung, exam):
                yield _audit_step(rung, exam, prepared)
    for each in followings(prepared):
        yield following_step(each, prepared)


def describe(prepared: Prepared) -> str:
    """One line a step: its state, what it is, and why it has to be done."""
    every = list(steps(prepared))
    todo = sum(step.state != "done" for step in every)
    lines = [f"{step.state:<8} {step.what}" + (f": {step.why}" if step.why else "") for step in every]
    lines += [f"notice   {notice}" for notice in prepared.notices]
    return "\n".join([*lines, f"{todo} of {len(every)} steps to do, in {prepared.folder}"])


def _step(what: str, entry: Entry, folder: Path) -> Step:
    state = entry.state(folder)
    return Step(what=what, state=state, why="" if state == "done" else store.why(entry, folder))


def _stage_step(rung: Rung, entry: Entry, folder: Path) -> Step:
    step = _step(f"stage {rung.stage.name} ({rung.stage.method})", entry, folder)
    if step.state == "done" or rung.part is None or rung.part.members:
        return step
    why = [_going_on(entry.partial(folder)) if step.state == "partial" else step.why]
    cache = reference_cache(rung, folder)
    kept = None if cache is None else cache.kept()
    if kept is not None:
        scored, wanted = kept
        why.append(f"log-probabilities by {rung.stage.reference} are kept for {scored} of {wanted} preferences")
    return replace(step, why="; ".join(why))


def _going_on(partial: Path) -> str:
    """What is left of a training that was cut off."""
    from pluralign.train.snapshot import steps as snapshots

    newest = max(snapshots(partial / store.STEPS), default=None)
    if newest is None:
        return "cut off before a snapshot was kept"
    with (partial / "log.jsonl").open(encoding="utf-8") as log:
        return f"goes on from step {newest} of {json.loads(next(log))['steps']}"


def _audit_step(rung: Rung, exam: Exam, prepared: Prepared) -> Step:
    what = f"audit {exam.part.name} of {rung.stage.name}"
    path = replies_path(rung, exam, prepared)
    replies = ask.read_replies(path)
    able = abilities(rung)
    wanted = len(ask.expected(exam.items, able))
    left = ask.unanswered(exam.items, able, replies)
    if answered(rung, exam, path, replies):
        return Step(what=what, state="done")
    if left < wanted:
        return Step(what=what, state="partial", why=f"{wanted - left} of {wanted} replies are there")
    return Step(what=what, state="missing", why=store.why(audit_entry(rung, exam, prepared), prepared.folder))


def following_step(each: Following, prepared: Prepared) -> Step:
    """The asking of what follows; how much that is, is known only once all that it follows from is there."""
    about, by = each.about, each.by
    what = f"audit {each.exam.part.name} of {about.stage.name}: what it wrote, by {by.stage.name}"
    path = replies_path(about, each.exam, prepared)
    first = ask.read_replies(path)
    replies = ask.read_replies(replies_path(by, each.exam, prepared, about))
    left = ask.unanswered(followed(each.exam, first).items, abilities(by), replies)
    whole = answered(about, each.exam, path, first)
    if whole and not left:
        return Step(what=what, state="done")
    if replies:
        return Step(what=what, state="partial", why=f"{sum(map(len, replies.values()))} replies are there")
    if not whole:
        return Step(what=what, state="missing", why=f"follows when {about.stage.name} has written")
    return Step(what=what, state="missing", why=store.why(audit_entry(by, each.exam, prepared, about), prepared.folder))
