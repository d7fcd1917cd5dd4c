"""The statistics of one audit: `estimate` for values at stages, `compare` and `omnibus` for gains between them."""

from pluralign.stats.compare import Transition, compare, omnibus
from pluralign.stats.estimate import estimate

__all__ = ["Transition", "compare", "estimate", "omnibus"]
