"""pluralign: align language models with many kinds of people, and see who gains and who loses."""

__version__ = "0.1.0"
