"""Do what is missing of a run, in order: data, stages, audits; then read, estimate, compare, report."""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from pluralign import store
from pluralign.data import mix
from pluralign.errors import RunError
from pluralign.run import environment, plan
from pluralign.run.answers import Asking, kept
from pluralign.run.ensembles import assemble
from pluralign.run.findings import find, write
from pluralign.run.loading import model_folder
from pluralign.run.parts import Prepared, Rung, Voices
from pluralign.run.progress import Meter, bar, bars, named
from pluralign.run.references import reference_cache
from pluralign.run.rewards import load_rewards

if TYPE_CHECKING:
    from pluralign.train.job import Job

Announce = Callable[[str], None]
"""Called with a stage's name before it is trained."""


def execute(prepared: Prepared, *, command: str, announce: Announce | None = None) -> str:
    """Make what is missing and write the report; gives the terminal's last lines: the verdict, and where it is."""
    folder = prepared.folder
    with store.locked(folder):
        every = list(plan.steps(prepared))
        todo = sum(step.state != "done" for step in every)
        print(f"{prepared.file.path}: {todo} of {len(every)} steps to do", file=sys.stderr, flush=True)
        made_on = _begin(prepared, command)
        store.sweep(folder)
        with bars() as progress:
            for voices in prepared.voices:
                _keep(voices, folder, made_on)
            for rung in prepared.rungs:
                if rung.entry is not None and rung.entry.state(folder) != "done":
                    with bar(progress, f"train {rung.stage.name}") as meter:
                        _train(rung, prepared, meter, made_on, announce)
            asking = Asking(prepared=prepared, made_on=made_on, progress=progress)
            for line in asking.forecast():
                progress.console.print(line, soft_wrap=True, highlight=False, markup=False)
            answers = asking.answers()
            with bar(progress, "report") as meter:
                meter(total=1)
                last_lines = write(find(prepared, answers, command=command), folder / "report")
                meter(completed=1)
    return last_lines


def forecast_only(prepared: Prepared, *, command: str) -> str:
    """Say what asking will take, a line a stage. Only the few items that are timed are asked, and their replies kept.

    Every stage's model must be there.
    """
    with store.locked(prepared.folder), bars() as progress:
        made_on = _begin(prepared, command)
        asking = Asking(prepared=prepared, made_on=made_on, progress=progress)
        return "\n".join(asking.forecast()) or "nothing is left to ask"


def _begin(prepared: Prepared, command: str) -> dict[str, str]:
    """Write down what is run and on what; gives the latter."""
    store.write_text(prepared.folder / "resolved.toml", tomli_w.dumps(prepared.file.resolved))
    made_on = environment.describe(command)
    store.write_json(prepared.folder / environment.FILE, made_on)
    return made_on


def report_only(prepared: Prepared, *, command: str) -> str:
    """Write the report from the replies that are on disk; says which are missing."""
    if not prepared.folder.is_dir():
        raise RunError(f"{prepared.folder}: nothing has been run yet; `pluralign run {prepared.file.path}` comes first")
    with store.locked(prepared.folder):
        answers = kept(prepared)
        if not answers.first:
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
        card = {"train": mix.card(voices.train), "held_out": mix.card(voices.held_out), "left_out": voices.left_out}
        store.write_json(partial / "card.json", card)


def _train(rung: Rung, prepared: Prepared, meter: Meter, made_on: Mapping[str, str], announce: Announce | None) -> None:
    if rung.part is not None and rung.part.members:
        assemble(rung, prepared, made_on)
        return
    from pluralign.train.loop import train

    if rung.entry is None:
        raise ValueError(f"stage {rung.stage.name} is not one that is trained")
    with store.making(rung.entry, prepared.folder, in_steps=True) as partial, named(f"stage {rung.stage.name}"):
        if announce is not None:
            announce(rung.stage.name)
        train(dataclasses.replace(stage_job(rung, prepared, partial), on_step=meter))
        store.write_json(partial / "stage.json", dataclasses.asdict(rung.stage))
        store.write_json(partial / environment.FILE, made_on)


def stage_job(rung: Rung, prepared: Prepared, out: Path) -> "Job":
    """The training of a stage in the folder `out`. Raises: InputError where its rewards cannot be loaded."""
    from pluralign.engine.ranks import together
    from pluralign.train.job import Job
    from pluralign.train.rollouts import make_rollouts

    part, entry = rung.part, rung.entry
    if part is None or entry is None or part.module is None or part.weigh is None or part.training is None:
        raise ValueError(f"stage {rung.stage.name} is not one that is trained")
    voices = next(voices for voices in prepared.voices if voices.name == part.header.data)
    parent = prepared.rung(part.parent)
    reference = prepared.rung(rung.stage.reference) if rung.stage.reference else None
    job = Job(
        method=part.module,
        options=part.options,
        training=part.training,
        parent=model_folder(parent),
        adapter=parent.adapter,
        reference=None if reference is None else model_folder(reference),
        reference_adapter=None if reference is None else reference.adapter,
        cache=reference_cache(rung, prepared.folder),
        preferences=voices.train,
        held_out=voices.held_out,
        weighting=part.weigh,
        weighting_options=part.weigh_options,
        seed=rung.stage.seed,
        template=prepared.template,
        out=out,
        key=entry.key,
        run_name=f"{prepared.folder.name}-{entry.name}-{entry.key}",
    )
    if not part.header.rewards:
        return job
    rollouts = together(lambda: make_rollouts(job, load_rewards(part, prepared)))
    return dataclasses.replace(job, rollouts=rollouts)
