"""How answers are judged: normalisation, overlap and choice. Plain functions that audits share; no torch."""
