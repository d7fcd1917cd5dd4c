#!/bin/sh
# Run a quick part of the tests with the lowest versions that pyproject.toml allows, in an environment of its own.
#   PYTHON     an interpreter that these versions have wheels for
#   OVERRIDE   a file of requirements that count instead, such as constraints.txt for another build of torch
#   arguments  the tests
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv-lowest}
OVERRIDE=${OVERRIDE:-/dev/null}
TESTS=${*:-tests/stats tests/data tests/store tests/asking tests/methods tests/train/test_loop.py tests/train/test_taking_up.py}

"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv
"$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --resolution lowest-direct --override "$OVERRIDE" \
    --requirement pyproject.toml --extra lora --extra hub
"$VENV/bin/uv" pip freeze --python "$VENV/bin/python" > "$VENV/before.txt"
"$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --constraint "$VENV/before.txt" pytest hypothesis beartype
"$VENV/bin/uv" pip list --python "$VENV/bin/python"
# shellcheck disable=SC2086 # tests are several words
"$VENV/bin/python" -m pytest -q $TESTS
