"""A gain over several training seeds: of the models that were trained, and of the method that trains them."""

from dataclasses import dataclass

from pluralign.records.estimate import Verdict

FEWEST_SEEDS = 3
"""With fewer training seeds nothing is said of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcrossSeeds:
    """A group's gain between two stages, as the mean over `seeds` training seeds; the fields are columns of a file.

    `item_error` is the standard error of that mean through the items that were drawn, `seed_sd` the standard deviation
    of the gains that the method would give with other seeds on endless items. `models_low` to `models_high` speak of
    these trained models on other items; `method_low` to `method_high`, `method_p` and `method_p_adjusted` of the
    method, with other seeds and other items, and so does `method_verdict`, by the rules of any verdict. NaN where it
    cannot be known, as of the method with fewer than 3 seeds, which then has no verdict either.

    `relative_gain` is the gain less that of the reference group `relative_to`, with interval and p of the method.
    """

    audit: str
    measure: str
    from_stage: str
    to_stage: str
    slice: str
    group: str
    code: str
    seeds: int
    gain: float
    item_error: float
    models_low: float
    models_high: float
    seed_sd: float
    method_low: float
    method_high: float
    method_p: float
    method_p_adjusted: float
    unit: str
    method_verdict: Verdict | None
    relative_to: str
    relative_gain: float
    relative_low: float
    relative_high: float
    relative_p: float
    relative_p_adjusted: float
