"""Have every stage answer every audit; a model is loaded only where replies are missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.progress import Progress

from pluralign import store
from pluralign.asking import ask
from pluralign.run import environment, forecast, loading, plan, probe
from pluralign.run.findings import Answers
from pluralign.run.following import Following, followed, followings
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

            def keep(subject: ask.Subject, rung: Rung, exam: Exam, about: Rung | None) -> None:
                nonlocal timed
                self._keep(subject, rung, exam, lambda **_: None, about)
                timed += len(exam.items)
                meter(completed=timed, note=f"{rung.stage.name}: {exam.part.name}")

            return forecast.describe(probe.forecasts(work, self.prepared, load=self._subject, keep=keep))

    def answers(self) -> Answers:
        """Every stage's replies to every audit that it can answer, asked where they are missing.

        What follows from them is put to the stage itself while its model is there, to others in a second round.
        """
        found = Answers()
        every = list(followings(self.prepared))
        for rung in self.prepared.rungs:
            for exam in self.prepared.exams:
                if plan.takes(rung, exam):
                    found.first[exam.part.name, rung.stage.name] = self._replies(rung, exam)
            self._follow((each for each in every if each.about is each.by is rung), found)
        for rung in self.prepared.rungs:
            self._follow((each for each in every if each.by is rung and each.about is not rung), found)
        return found

    def _follow(self, some: Iterable[Following], found: Answers) -> None:
        for each in some:
            name, about, by = each.exam.part.name, each.about.stage.name, each.by.stage.name
            exam = followed(each.exam, found.first[name, about])
            found.followed[name, about, by] = self._replies(each.by, exam, each.about)

    def _replies(self, rung: Rung, exam: Exam, about: Rung | None = None) -> ask.Replies:
        path = plan.replies_path(rung, exam, self.prepared, about)
        replies = ask.read_replies(path)
        if plan.answered(rung, exam, path, replies):
            return replies
        what = exam.part.name if about is None else f"{exam.part.name}, what {about.stage.name} wrote"
        with bar(self.progress, f"ask {rung.stage.name}: {what}") as meter:
            if rung.recorded is None:
                return self._keep(self._subject(rung), rung, exam, meter, about)
            path.unlink(missing_ok=True)
            return self._keep(_recorded(rung, exam, self.prepared), rung, exam, meter)

    def _keep(
        self, subject: ask.Subject, rung: Rung, exam: Exam, meter: Meter, about: Rung | None = None
    ) -> ask.Replies:
        """Have a subject answer what is missing of an exam, and keep the replies and what they were made of."""
        entry = plan.audit_entry(rung, exam, self.prepared, about)
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
        if about is None and len(exam.items) == exam.total:
            held = ask.read_replies(path)
            store.write_text(folder / "DONE", f"{sum(map(len, held.values()))}\n")
        return replies

    def _subject(self, rung: Rung) -> ask.Subject:
        if self.held is None or self.held.name != rung.stage.name:
            self.held = None
            with named(f"stage {rung.stage.name}"):
                self.held = loading.load(rung, self.prepared)
        return self.held


def kept(prepared: Prepared) -> Answers:
    """The replies that are on disk, and nothing where there are none."""
    found = Answers()
    for rung in prepared.rungs:
        for exam in prepared.exams:
            path = plan.replies_path(rung, exam, prepared)
            if plan.takes(rung, exam) and path.exists():
                found.first[exam.part.name, rung.stage.name] = ask.read_replies(path)
    for each in followings(prepared):
        path = plan.replies_path(each.by, each.exam, prepared, each.about)
        if path.exists():
            place = each.exam.part.name, each.about.stage.name, each.by.stage.name
            found.followed[place] = ask.read_replies(path)
    return found


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
