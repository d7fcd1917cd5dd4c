"""How fast pluralign is beside its peers: both sides in one run, turn by turn, with equal results checked."""
