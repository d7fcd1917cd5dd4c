"""What was found for one measure of one audit along one slice: the part of the findings that a section shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan, nan
from unicodedata import bidirectional

from pluralign.records.estimate import ALL, Change, Estimate
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.report.ladders import Ladder, ladders, whole_ways
from pluralign.report.names import display
from pluralign.report.wording import Unit, unit_of

Transition = tuple[str, str]

TURNING = frozenset({"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"})
"""Classes of letters and controls that write from right to left, or change the direction."""


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """One measure of one audit along one slice.

    `transitions` has those that there are changes for: whole ladders first, then in the order of the findings.
    `wholes` are the transitions over a whole ladder.
    """

    audit: Audit
    measure_name: str
    measure: Measure
    slice: str
    stages: tuple[str, ...]
    ladders: tuple[Ladder, ...]
    transitions: tuple[Transition, ...]
    wholes: tuple[Transition, ...]
    estimates: tuple[Estimate, ...]
    changes: tuple[Change, ...]
    codes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def unit(self) -> Unit:
        """How values of the measure are written."""
        return unit_of(self.measure)

    @property
    def bounded(self) -> bool:
        """Whether values of the measure have bounds."""
        return self.measure.bounds is not None

    @property
    def judged(self) -> bool:
        """Whether a change of the measure is for better or worse."""
        return self.measure.better != "neither"

    @cached_property
    def reference(self) -> str:
        """The group that others are compared with; empty where there is none."""
        named = (row.relative_to for row in (*self.changes, *self.estimates) if row.relative_to)
        return next(named, "")

    @cached_property
    def leads_with_gap(self) -> bool:
        """Whether only the change of the gap speaks, because levels cannot be compared."""
        return not self.measure.comparable and any(not isnan(change.relative_gain) for change in self.changes)

    @cached_property
    def against_others(self) -> bool:
        """Whether changes are held against the mean of the other groups, for want of a reference group."""
        return not self.reference and any(not isnan(row.others_gain) for row in self.changes)

    @cached_property
    def ordered_by_gain(self) -> bool:
        """Whether the gain of any group over whole ladders is known; without one, groups stand by their values."""
        groups = {row.group for row in self.changes} - {ALL, self.reference}
        return any(not isnan(self._whole_gain(group)) for group in groups)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Groups from the largest gain over whole ladders down, or without any gain from the best value down.

        The value is that at the last stage that gave one, the best the smallest where lower is better. Groups of which
        neither is known come after them, everyone at the end.
        """
        return tuple(sorted({row.group for row in (*self.estimates, *self.changes)}, key=self._place))

    @cached_property
    def several_seeds(self) -> bool:
        """Whether rows must say their seed."""
        return len({row.seed for row in (*self.estimates, *self.changes)}) > 1

    def label(self, group: str, seed: int | None = None) -> str:
        """A group as the reader knows it, with its seed where there are several."""
        shown = self._shown.get(group) or named(group)
        return f"{shown} · seed {seed}" if self.several_seeds and seed is not None else shown

    @cached_property
    def _shown(self) -> dict[str, str]:
        """Groups' names; two groups of one name keep their ids beside it."""
        names = {
            group: display(self.slice, group, self.codes.get(group, group)) for group in self.groups if group != ALL
        }
        often = Counter(names.values())
        told = {group: name if often[name] == 1 else f"{name} ({group})" for group, name in names.items()}
        return {group: named(name) for group, name in told.items()} | {ALL: "Everyone"}

    @cached_property
    def _references(self) -> dict[tuple[str, ...], Estimate | Change]:
        rows = (*self.estimates, *self.changes)
        return {_place_of(row): row for row in rows if row.group == row.relative_to}

    def reference_is_known(self, row: Estimate | Change) -> bool:
        """Whether the interval of the reference group's own row is known, at the same place as `row`."""
        peer = self._references.get(_place_of(row))
        return peer is not None and not isnan(peer.low) and not isnan(peer.high)

    def between(self, transition: Transition) -> tuple[Change, ...]:
        """The changes of a transition, in the order of `groups`."""
        order = {group: place for place, group in enumerate(self.groups)}
        rows = [row for row in self.changes if (row.from_stage, row.to_stage) == transition]
        return tuple(sorted(rows, key=lambda row: (order[row.group], row.seed)))

    def _place(self, group: str) -> tuple[bool, bool, float, str]:
        size = self._whole_gain(group) if self.ordered_by_gain else self._last_value.get(group, nan)
        return (group == ALL, isnan(size), 0.0 if isnan(size) else -size, group)

    @cached_property
    def _last_value(self) -> dict[str, float]:
        """Each group's value at the last stage that gave one, turned so that the larger is the better."""
        turn = -1.0 if self.measure.better == "lower" else 1.0
        return {row.group: turn * row.value for row in self.estimates if not isnan(row.value)}

    def _whole_gain(self, group: str) -> float:
        leading = self.wholes or self.transitions
        gains = [self._leading(row) for row in self.changes if row.group == group and _way(row) in leading]
        known = [gain for gain in gains if not isnan(gain)]
        return sum(known) / len(known) if known else nan

    def _leading(self, change: Change) -> float:
        if self.leads_with_gap:
            return 0.0 if change.group == change.relative_to else change.relative_gain
        return change.gain


def named(text: str) -> str:
    """A name that can be seen, and that cannot turn the writing direction of the words around it."""
    if not text.strip():
        return "(no name)"
    turns = any(bidirectional(letter) in TURNING for letter in text)
    return f"\u2068{text}\u2069" if turns else text


def excerpts(findings: Findings, audit: Audit, measure: str) -> tuple[Excerpt, ...]:
    """What was found for one measure of one audit, slice by slice."""
    estimates = [row for row in findings.estimates if (row.audit, row.measure) == (audit.name, measure)]
    changes = [row for row in findings.changes if (row.audit, row.measure) == (audit.name, measure)]
    slices = dict.fromkeys(row.slice for row in (*estimates, *changes))
    stages = tuple(dict.fromkeys(stage.name for stage in findings.stages))
    frame = _Frame(
        stages=stages,
        ladders=ladders(findings.stages),
        transitions=findings.transitions,
        wholes=whole_ways(findings.stages, findings.transitions),
    )
    return tuple(
        _excerpt(
            audit,
            measure,
            frame,
            tuple(row for row in estimates if row.slice == slice_name),
            tuple(row for row in changes if row.slice == slice_name),
        )
        for slice_name in slices
    )


def ordered(transitions: Sequence[Transition], wholes: Sequence[Transition]) -> tuple[Transition, ...]:
    """Transitions over whole ladders first, in the ladders' order, each once."""
    return tuple(dict.fromkeys((*(way for way in wholes if way in transitions), *transitions)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What is the same for all of the findings."""

    stages: tuple[str, ...]
    ladders: tuple[Ladder, ...]
    transitions: tuple[Transition, ...]
    wholes: tuple[Transition, ...]


def _excerpt(
    audit: Audit,
    measure: str,
    frame: _Frame,
    estimates: tuple[Estimate, ...],
    changes: tuple[Change, ...],
) -> Excerpt:
    present = {_way(row) for row in changes}
    unforeseen = dict.fromkeys(_way(row) for row in changes)
    transitions = tuple(way for way in ordered((*frame.transitions, *unforeseen), frame.wholes) if way in present)
    rows = (*estimates, *changes)
    return Excerpt(
        audit=audit,
        measure_name=measure,
        measure=audit.measures[measure],
        slice=rows[0].slice,
        stages=frame.stages,
        ladders=frame.ladders,
        transitions=transitions,
        wholes=tuple(way for way in frame.wholes if way in present),
        estimates=estimates,
        changes=changes,
        codes={row.group: row.code for row in rows if row.code},
    )


def _place_of(row: Estimate | Change) -> tuple[str, ...]:
    """Stage, seed and step, or transition and seed."""
    if isinstance(row, Estimate):
        return ("at", row.stage, str(row.seed), str(row.step))
    return ("over", row.from_stage, row.to_stage, str(row.seed))


def _way(change: Change) -> Transition:
    return (change.from_stage, change.to_stage)
