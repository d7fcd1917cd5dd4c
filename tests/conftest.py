"""Shapes and types of the whole package are checked by beartype while the tests run, and only then."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

_hook = install_import_hook("pluralign", "beartype.beartype")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Other people's data, beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the recorded data in {SHARED_DATA}")
    return SHARED_DATA
