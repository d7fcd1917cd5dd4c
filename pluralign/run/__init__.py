"""A run, from its checked file to its report: `prepare` knows everything first, `execute` does what is missing."""
