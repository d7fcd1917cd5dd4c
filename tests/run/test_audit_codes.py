"""Groups get their codes by slice, those that only a reading names as well."""

from types import ModuleType

from pluralign.records.item import Item, Write
from pluralign.records.measure import Measure
from pluralign.records.reading import Reading
from pluralign.records.stage import Stage
from pluralign.run.findings import _audit
from pluralign.run.parts import Exam
from pluralign.runfile.parts import AuditHeader, AuditPart
from pluralign.stats.table import TableBuilder


def test_codes_are_of_the_groups_that_were_read() -> None:
    module = ModuleType("opinions")
    vars(module).update(
        DESCRIPTION="", MEASURES={"like": Measure("share")}, code=lambda slice, group: f"{slice}:{group.lower()}"
    )
    item = Item(id="i", asks=(Write(prompt="?", max_tokens=1),), slices={"language": "SWA"}, cluster="c")
    exam = Exam(
        part=AuditPart(
            name="opinions", place="[[audit]]", header=AuditHeader(uses="opinions"), module=module, options=None
        ),
        items=(item,),
        every=frozenset("i"),
        limit=None,
        reference={},
        fingerprint="",
    )
    table = TableBuilder()
    stage = Stage(name="base", kind="base")
    table.add("opinions", stage, item, Reading(measure="like", value=1.0))
    table.add("opinions", stage, item, Reading(measure="like", value=1.0, slice="country", group="SWA"))
    table.add("opinions", stage, item, Reading(measure="like", value=1.0, slice="country", group="DEU"))
    assert _audit(exam, table.build(), {}).codes == {
        ("country", "DEU"): "country:deu",
        ("country", "SWA"): "country:swa",
        ("language", "SWA"): "language:swa",
    }
