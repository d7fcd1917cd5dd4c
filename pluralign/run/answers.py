"""Have every stage answer every audit; a model is loaded only where replies are missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.progress import Progress

from pluralign import store
from pluralign.asking import ask
from pluralign.run import environment, forecast, loading, plan, probe
from pluralign.run.findings import Answers
from pluralign.run.parts import Exam, Prepared, Rung
from pluralign.run.progress import Meter, bar, named
from pluralign.subjects.recorded import RecordedSubject


@dataclass(slots=True, kw_only=True)
class Asking:
    """The asking of a run. One model is held at a time: it is let go of before another is loaded."""

    prepared: Prepared
    made_on: Mapping[str, str]
    progress: Progress
    held: ask.Subject | None = None

    def forecast(self) -> list[str]:
        """What is left to ask of models and how long it takes, a line a stage; a few items are asked and timed."""
        work = probe.todo(self.prepared)
        if not work:
            return []
        with bar(self.progress, "time a few items") as meter:
            timed = 0

            def keep(subject: ask.Subject, rung: Rung, exam: Exam) -> None:
                nonlocal timed
                self._keep(subject, rung, exam, lambda **_: None)
                timed += len(exam.items)
                meter(completed=timed, note=f"{rung.stage.name}: {exam.part.name}")

            return forecast.describe(probe.forecasts(work, load=self._subject, keep=keep))

    def answers(self) -> Answers:
        """Every stage's replies to every audit that it can answer, asked where they are missing."""
        found: Answers = {}
        for rung in self.prepared.rungs:
            for exam in self.prepared.exams:
                if plan.takes(rung, exam):
                    found[exam.part.name, rung.stage.name] = self._replies(rung, exam)
        return found

    def _replies(self, rung: Rung, exam: Exam) -> ask.Replies:
        path = plan.replies_path(rung, exam, self.prepared)
        replies = ask.read_replies(path)
        if plan.answered(rung, exam, path, replies):
            return replies
        with bar(self.progress, f"ask {rung.stage.name}: {exam.part.name}") as meter:
            if rung.recorded is None:
                return self._keep(self._subject(rung), rung, exam, meter)
            path.unlink(missing_ok=True)
            return self._keep(_recorded(rung, exam, self.prepared), rung, exam, meter)

    def _keep(self, subject: ask.Subject, rung: Rung, exam: Exam, meter: Meter) -> ask.Replies:
        """Have a subject answer what is missing of an exam, and keep the replies and what they were made of."""
        entry = plan.audit_entry(rung, exam, self.prepared)
        folder = entry.folder(self.prepared.folder)
        path = folder / f"{rung.stage.name}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        store.write_json(folder / "made_of.json", entry.made_of)
        store.write_json(folder / environment.FILE, self.made_on)
        if self.held is not None and rung.recorded is None:
            store.write_json(folder / loading.FILE, loading.describe(rung, self.held))
        meter(total=len(ask.expected(exam.items, subject.answers)))
        with named(f"audit {exam.part.name} of {rung.stage.name}"):
            replies = ask.ask(subject, exam.items, path, tick=lambda done: meter(completed=done))
        notice = subject.notice() if isinstance(subject, RecordedSubject) else None
        if notice:
            store.write_text(folder / plan.NOTICE, notice + "\n")
        if len(exam.items) == exam.total:
            held = ask.read_replies(path)
            store.write_text(folder / "DONE", f"{sum(map(len, held.values()))}\n")
        return replies

    def _subject(self, rung: Rung) -> ask.Subject:
        if self.held is None or self.held.name != rung.stage.name:
            self.held = None
            with named(f"stage {rung.stage.name}"):
                self.held = loading.load(rung, self.prepared)
        return self.held


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
