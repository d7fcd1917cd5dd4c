"""From replies to findings: read every reply by its audit, estimate, compare, and put it into words."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pluralign.asking.ask import Replies
from pluralign.records.estimate import Change, Estimate, Summary
from pluralign.records.findings import Audit, Findings
from pluralign.records.reading import Reading
from pluralign.run import environment
from pluralign.run.parts import Exam, Prepared, Rung
from pluralign.stats.table import Table

Answers = dict[tuple[str, str], Replies]
"""(audit, stage) → its replies."""
