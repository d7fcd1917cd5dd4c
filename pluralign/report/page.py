"""The report's page: one file that loads nothing else; the verdict first, then figures, tables, method, provenance."""

import re
from collections.abc import Collection, Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from pluralign.records.estimate import Summary
from pluralign.records.findings import Audit, Findings
from pluralign.records.measure import Measure
from pluralign.records.stage import Stage
from pluralign.report.drawing import key
from pluralign.report.excerpt import named
from pluralign.report.figures import way_name
from pluralign.report.ladders import whole_ways
from pluralign.report.sections import anchor_of, audit_section, has_gaps, shortened
from pluralign.report.seeds import method_tally, too_few
from pluralign.report.traces import traces
from pluralign.report.wording import NONE, WORDS, Kind, count
from pluralign.store import write_text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What the page may load: nothing."""

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Characters that HTML forbids."""

LONG_HEADLINE = 150
"""Letters of a headline that is set smaller."""

MOST_LISTED = 6
"""Measures of an audit that a notice names; of more it says how many."""

VERDICTS: tuple[Kind, ...] = ("gain", "loss", "equivalent", "inconclusive")


def write(findings: Findings, headline: str, folder: Path) -> Path:
    """Write `index.html` into `folder`, which must exist, whole or not at all; gives its path.

    `headline` is the one sentence that stands first. Raises ValueError where a row belongs to no audit or measure.
    """
    path = folder / "index.html"
    write_text(path, document(findings, headline))
    return path


def document(findings: Findings, headline: str) -> str:
    """The page's text."""
    _check(findings)
    anchors = {audit.name: f"audit-{place}" for place, audit in enumerate(findings.audits, 1)}
    parts = [
        _header(findings, headline),
        _notices(findings),
        _contents(findings.audits, anchors),
        Markup("<main>"),
        _glance(findings, anchors),
        *(audit_section(findings, audit, anchors[audit.name]) for audit in findings.audits),
        traces(findings.traces),
        Markup(_asset("method.html")),
        _provenance(findings),
        Markup("</main>"),
    ]
    return _encodable(_frame(named(findings.title), Markup("\n").join(parts)))


def _frame(title: str, body: Markup) -> str:
    frame = Markup(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n<title>{}</title>\n<style>\n{}</style>\n'
        "</head>\n<body>\n{}\n</body>\n</html>\n"
    )
    return str(frame.format(POLICY, title, Markup(_asset("page.css")), body))


def _check(findings: Findings) -> None:
    known = {(audit.name, measure) for audit in findings.audits for measure in audit.measures}
    rows = (*findings.estimates, *findings.changes, *findings.summaries)
    strangers = sorted({(row.audit, row.measure) for row in rows} - known)
    if strangers:
        raise ValueError(f"findings hold rows of no audit's measure: {strangers}")


def _header(findings: Findings, headline: str) -> Markup:
    stages = len({stage.name for stage in findings.stages})
    extent = f"{count(stages, 'stage')}, {count(len(findings.audits), 'audit')}"
    style = "headline long" if len(headline) > LONG_HEADLINE else "headline"
    frame = Markup('<header><h1><bdi>{}</bdi></h1><p class="{}">{}</p><p class="note">{}</p></header>')
    return frame.format(named(findings.title), style, headline, extent)


def _notices(findings: Findings) -> Markup:
    limits = [sentence for audit in findings.audits if (sentence := shortened(audit))]
    levels = [
        f"{named(audit.name)}: levels cannot be compared between groups ({_listed(measures, audit)}), "
        f"because the groups answered different questions; {_instead(findings, audit)}."
        for audit in findings.audits
        if (measures := [named(name) for name, measure in audit.measures.items() if not measure.comparable])
    ]
    few = too_few(findings.stages)
    notices = dict.fromkeys((*limits, *([few] if few else []), *findings.notices, *levels))
    if not notices:
        return Markup("")
    entries = Markup("").join(Markup("<li>{}</li>").format(notice) for notice in notices)
    return Markup('<section class="notices"><h2>Before you believe it</h2><ul>{}</ul></section>').format(entries)


def _listed(measures: Sequence[str], audit: Audit) -> str:
    """Some of an audit's measures by name, or how many where that is long."""
    if len(measures) <= MOST_LISTED:
        return ", ".join(measures)
    everyone = len(measures) == len(audit.measures)
    return f"all {len(measures)} measures" if everyone else f"{len(measures)} of {len(audit.measures)} measures"


def _instead(findings: Findings, audit: Audit) -> str:
    return "only the change of a gap speaks" if has_gaps(findings, audit) else "compare a group's own change only"


def _contents(audits: Iterable[Audit], anchors: dict[str, str]) -> Markup:
    link = Markup('<a href="#{}"><bdi>{}</bdi></a>')
    entries = [
        Markup("<li>{}: {}</li>").format(
            link.format(anchors[audit.name], named(audit.name)),
            Markup(", ").join(
                link.format(anchor_of(anchors[audit.name], place), named(name))
                for place, name in enumerate(audit.measures, 1)
            ),
        )
        for audit in audits
    ]
    entries.append(
        Markup("<li>{}, {}</li>").format(link.format("method", "Method"), link.format("origin", "Provenance"))
    )
    return Markup('<nav aria-label="Contents"><ul>{}</ul></nav>').format(Markup("").join(entries))


def _glance(findings: Findings, anchors: dict[str, str]) -> Markup:
    ways = whole_ways(findings.stages, findings.transitions) or findings.transitions
    if not ways or not findings.summaries:
        return Markup("")
    rows = {(row.audit, row.measure, row.from_stage, row.to_stage): row for row in findings.summaries}
    answered = {(row.audit, row.stage) for row in findings.estimates}
    heads = Markup("").join(Markup('<th scope="col"><bdi>{}</bdi></th>').format(way_name(way)) for way in ways)
    lines = [
        _glance_row(
            audit,
            name,
            anchor_of(anchors[audit.name], place),
            [rows.get((audit.name, name, *way)) or _lack(audit, way, answered) for way in ways],
        )
        for audit in findings.audits
        for place, name in enumerate(audit.measures, 1)
    ]
    frame = Markup(
        '<section id="glance"><h2>At a glance</h2><p class="note">{}.</p>'
        '<div class="scroll" role="region" tabindex="0" aria-label="{}">'
        '<table class="glance"><caption>{}</caption><thead><tr><th scope="col">Measure</th>{}</tr></thead>'
        "<tbody>{}</tbody></table></div></section>"
    )
    caption = (
        "How many groups gained, lost, stayed the same or cannot be told, from the bottom of each ladder to its top"
    )
    if _several_slices(findings):
        caption += "; who answers in several slices counts in each"
    if any(row.seeds > 1 for row in findings.summaries):
        caption += "; marks count what every one of these models says, small print what holds of the method"
    return frame.format(caption, caption, caption, heads, Markup("").join(lines))


def _several_slices(findings: Findings) -> bool:
    slices = {(row.audit, row.measure, row.slice) for row in findings.changes}
    return len(slices) > len({(audit, measure) for audit, measure, _ in slices})


def _lack(audit: Audit, way: tuple[str, str], answered: Collection[tuple[str, str]]) -> str:
    """Why a measure has no change: a stage did not answer its audit at all, or both did and gave no such value."""
    return "no value" if all((audit.name, stage) in answered for stage in way) else "not audited"


def _glance_row(audit: Audit, name: str, anchor: str, found: list[Summary | str]) -> Markup:
    measure = audit.measures[name]
    head = Markup('<th scope="row"><a href="#{}"><bdi>{}</bdi></a> <small><bdi>{}</bdi></small></th>')
    cells = [Markup("<td>{}</td>").format(_glance_cell(measure, row)) for row in found]
    return Markup("<tr>{}{}</tr>").format(head.format(anchor, named(name), named(audit.name)), Markup("").join(cells))


def _glance_cell(measure: Measure, summary: Summary | str) -> Markup:
    if measure.better == "neither":
        return Markup("described")
    return _counts(summary) if measure.changes else Markup("levels only")


def _counts(summary: Summary | str) -> Markup:
    if isinstance(summary, str):
        return Markup('<span class="unknown">{}</span>').format(summary)
    numbers = (summary.gain, summary.loss, summary.equivalent, summary.inconclusive)
    chip = Markup('<span class="chip {}">{}{} {}</span>')
    chips = [
        chip.format(kind, key(kind), number, WORDS[kind])
        for kind, number in zip(VERDICTS, numbers, strict=True)
        if number
    ]
    of_method = method_tally(summary)
    told = Markup(" <small>the method: {}</small>").format(of_method) if of_method else Markup("")
    return (Markup(" ").join(chips) if chips else Markup(NONE)) + told


def _provenance(findings: Findings) -> Markup:
    facts = Markup("").join(
        Markup("<dt>{}</dt><dd><code>{}</code></dd>").format(name, value) for name, value in findings.provenance.items()
    )
    frame = Markup(
        '<section id="origin"><h2>Provenance</h2>'
        "<p>The same numbers, unrounded and in fractions, stand beside this page: "
        "<code>estimates.csv</code>, <code>changes.csv</code>, <code>correlations.csv</code>, <code>seeds.csv</code>, "
        "<code>verdicts.json</code> and, item by item, "
        "<code>readings.parquet</code>.</p>{}<dl>{}</dl></section>"
    )
    return frame.format(_stages(findings.stages), facts)


def _stages(stages: Iterable[Stage]) -> Markup:
    heads = ("Stage", "Kind", "From", "Method", "Reference", "Seed", "Step", "Key")
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in heads)
    rows = Markup("").join(Markup("<tr>{}</tr>").format(_stage_cells(stage)) for stage in stages)
    frame = Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="Stages"><table><caption>Stages</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    )
    return frame.format(head, rows)


def _stage_cells(stage: Stage) -> Markup:
    step = NONE if stage.step is None else f"{stage.step:,}"
    parents = ", ".join(map(named, stage.parents)) or NONE
    cells = (named(stage.name), stage.kind, parents, stage.method or NONE, stage.reference or NONE)
    cells = (*cells, str(stage.seed), step, stage.key or NONE)
    return Markup("").join(Markup("<td><bdi>{}</bdi></td>").format(cell) for cell in cells)


def _asset(name: str) -> str:
    return files("pluralign.report").joinpath("assets", name).read_text(encoding="utf-8")


def _encodable(text: str) -> str:
    """The text with controls as the replacement character, and half characters, which UTF-8 lacks, spelt out."""
    return CONTROLS.sub("\ufffd", text).encode("utf-8", "backslashreplace").decode("utf-8")
