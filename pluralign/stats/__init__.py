"""How sure we are: group means, paired gains, their intervals and verdicts, all by clusters. No torch."""
