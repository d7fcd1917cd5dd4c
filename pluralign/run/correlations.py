"""How alike the stages of a run order the groups, audit by audit."""

from collections.abc import Iterator, Sequence

from pluralign.records.estimate import Correlation
from pluralign.run.parts import Exam
from pluralign.stats.correlation import correlate
from pluralign.stats.table import Table


def correlations(exams: Sequence[Exam], table: Table) -> Iterator[Correlation]:
    """The rank correlations of every audit that says by `CORRELATED` which measures order its groups.

    Where it has a `survey`, and its options name one, every stage is held against that as well.
    """
    for exam in exams:
        module = exam.part.module
        if hasattr(module, "CORRELATED"):
            survey = module.survey(exam.part.options) if hasattr(module, "survey") else None
            yield from correlate(table, exam.part.name, module.CORRELATED, survey)
