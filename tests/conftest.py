"""Shapes and types of the whole package are checked by beartype while the tests run, and only then."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

_hook = install_import_hook("pluralign", "beartype.beartype")

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # on a busy machine a first call, checked by beartype, may take any time

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Tiny random models of several architectures: `tests/tiny_models.py`, imported only by the tests that need it."""
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("tiny_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Other people's data, beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the recorded data in {SHARED_DATA}")
    return SHARED_DATA
