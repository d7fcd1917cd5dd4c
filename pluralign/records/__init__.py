"""Plain data that every other part speaks in: frozen dataclasses, no torch."""
