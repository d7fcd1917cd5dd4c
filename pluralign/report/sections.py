"""A section per audit: what it asks, and for each of its measures the sentences, the figures and the tables."""

from collections.abc import Sequence
from math import isnan

from markupsafe import Markup

from pluralign.records.estimate import Summary
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.report.between import between_groups
from pluralign.report.correlations import correlations
from pluralign.report.excerpt import Excerpt, excerpts, named, ordered
from pluralign.report.figures import MOST_OPEN, gains, gap_changes
from pluralign.report.ladders import whole_ways
from pluralign.report.levels import levels
from pluralign.report.listing import changes_table, estimates_table
from pluralign.report.seeds import over_seeds
from pluralign.report.wording import count, p_value, unit_of

NOT_COMPARABLE = (
    "Levels cannot be compared between groups here, because the groups answered different questions: "
    "a gap at one stage mixes how hard the questions are with whom they stand for. "
)
GAP_FIRST, OWN_ONLY = "Read the change of the gap first.", "Compare a group's own change only."


def audit_section(findings: Findings, audit: Audit, anchor: str) -> Markup:
    """Everything about one audit."""
    measures = [
        measure_section(findings, audit, name, anchor_of(anchor, place)) for place, name in enumerate(audit.measures, 1)
    ]
    head = Markup('<section class="audit" id="{}"><h2><bdi>{}</bdi></h2><p class="lead">{}</p>{}')
    measures.append(correlations([row for row in findings.correlations if row.audit == audit.name]))
    return head.format(anchor, named(audit.name), audit.description, _extent(findings, audit)) + Markup(
        "{}</section>"
    ).format(Markup("").join(measures))


def measure_section(findings: Findings, audit: Audit, name: str, anchor: str) -> Markup:
    """Everything about one measure of an audit."""
    found = excerpts(findings, audit, name)
    measure = audit.measures[name]
    caution = (
        Markup("")
        if measure.comparable or _all_incomparable(audit)
        else _caution(_not_comparable(findings, audit, name))
    )
    parts = [_meaning(measure), caution, _sentences(findings, audit, name), over_seeds(findings, audit, name)]
    parts += [_slice(excerpt) for excerpt in found]
    if not found:
        parts.append(Markup('<p class="note">No stage gave a value.</p>'))
    frame = Markup('<section class="measure" id="{}"><h3><bdi>{}</bdi></h3>{}</section>')
    return frame.format(anchor, named(name), Markup("").join(parts))


def anchor_of(audit_anchor: str, place: int) -> str:
    """The anchor of an audit's measure number `place`."""
    return f"{audit_anchor}-{place}"


def shortened(audit: Audit) -> str:
    """A sentence that says that an audit was shortened; empty where it was not."""
    if audit.limit is None:
        return ""
    return (
        f"Shortened: {named(audit.name)} asked only {count(audit.limit, 'item')} (--limit). "
        "Good for a first look, too little for a decision."
    )


def has_gaps(findings: Findings, audit: Audit) -> bool:
    """Whether any change of the audit is compared with that of a reference group."""
    return _compared(findings, audit, *audit.measures)


def _compared(findings: Findings, audit: Audit, *measures: str) -> bool:
    rows = (row for row in findings.changes if row.audit == audit.name and row.measure in measures)
    return any(not isnan(row.relative_gain) for row in rows)


def _not_comparable(findings: Findings, audit: Audit, *measures: str) -> str:
    return NOT_COMPARABLE + (GAP_FIRST if _compared(findings, audit, *measures) else OWN_ONLY)


def _extent(findings: Findings, audit: Audit) -> Markup:
    said = Markup('<p class="note">Audit <code>{}</code>, {}.</p>').format(audit.uses, count(audit.items, "item"))
    cautions = (shortened(audit), _not_comparable(findings, audit, *audit.measures) if _all_incomparable(audit) else "")
    return said + Markup("").join(_caution(caution) for caution in cautions if caution)


def _all_incomparable(audit: Audit) -> bool:
    return bool(audit.measures) and not any(measure.comparable for measure in audit.measures.values())


def _caution(text: str) -> Markup:
    return Markup('<p class="caution">{}</p>').format(text)


def _meaning(measure: Measure) -> Markup:
    unit = unit_of(measure)
    facts = ["described, not judged" if measure.better == "neither" else f"{measure.better} is better"]
    if not unit.share:
        facts.append(f"in {unit.name}")
    if measure.chance is not None:
        facts.append(f"guessing gives {unit.level(measure.chance)}")
    if not measure.changes:
        facts.append("of single stages alone; a change means nothing")
    elif measure.margin is None:
        facts.append("no margin of equivalence")
    else:
        facts.append(f"changes within ±{unit.change(measure.margin, signed=False)} {unit.of_changes} do not matter")
    said = "; ".join(facts)
    return Markup('<p class="meaning">{} <span>{}.</span></p>').format(_sentence(measure.description), said)


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""


def _sentences(findings: Findings, audit: Audit, name: str) -> Markup:
    rows = {
        (row.from_stage, row.to_stage): row
        for row in findings.summaries
        if (row.audit, row.measure) == (audit.name, name)
    }
    wholes = whole_ways(findings.stages, findings.transitions)
    ways = [way for way in ordered((*findings.transitions, *rows), wholes) if way in rows]
    first = ways if len(ways) <= MOST_OPEN else [way for way in ways if way in wholes]
    rest = [rows[way] for way in ways if way not in first]
    folded = Markup("<details><summary>Step by step: {}</summary>{}</details>")
    more = folded.format(count(len(rest), "more sentence"), _listed(rest, audit)) if rest else Markup("")
    return _listed([rows[way] for way in first], audit) + more


def _listed(rows: Sequence[Summary], audit: Audit) -> Markup:
    entries = [Markup("<li>{}{}</li>").format(row.sentence, _alike(row, audit)) for row in rows]
    return Markup('<ul class="sentences">{}</ul>').format(Markup("").join(entries)) if rows else Markup("")


def _alike(row: Summary, audit: Audit) -> Markup:
    """Whether all groups changed alike, and how unlike their changes are."""
    asked = "" if isnan(row.omnibus_p) else f"Did all groups change alike? p {p_value(row.omnibus_p)}."
    said = " ".join(part for part in (asked, between_groups(row, audit)) if part)
    return Markup(" <small>{}</small>").format(said) if said else Markup("")


def _slice(excerpt: Excerpt) -> Markup:
    by = f"By {named(excerpt.slice)}"
    moved = "gains and losses" if excerpt.judged else "changes"
    parts: list[Markup] = []
    if excerpt.leads_with_gap:
        head = f"{by}: change of the gap to {excerpt.label(excerpt.reference)}"
        parts.append(_figure_section(head, gap_changes(excerpt)))
        moved = "each group's own gains and losses" if excerpt.judged else "each group's own changes"
    if excerpt.transitions:
        parts.append(_figure_section(f"{by}: {moved}", gains(excerpt)))
    if excerpt.estimates:
        caution = "" if excerpt.measure.comparable else " (compare along a line, not between lines)"
        parts.append(_figure_section(f"{by}: stage by stage{caution}", levels(excerpt)))
    tables = [changes_table(excerpt)] if excerpt.changes else []
    tables += [estimates_table(excerpt)] if excerpt.estimates else []
    parts.append(_figure_section(f"{by}: the numbers", Markup("").join(tables)))
    return Markup("").join(parts)


def _figure_section(head: str, content: Markup) -> Markup:
    return Markup("<h4>{}</h4>{}").format(head, content)
