"""The statistics of one audit: `estimate` for values at stages, `compare` and `disparities` for gains between them."""

from pluralign.stats.compare import compare
from pluralign.stats.disparity import disparities, omnibus
from pluralign.stats.estimate import estimate
from pluralign.stats.gains import Transition
from pluralign.stats.seeds import across_seeds

__all__ = ["Transition", "across_seeds", "compare", "disparities", "estimate", "omnibus"]
