#!/bin/sh
# Run a quick part of the tests with the lowest versions that pyproject.toml allows, in an environment of its own.
#   PYTHON: an interpreter that these versions have wheels for; PIP_OPTIONS: such as --extra-index-url, for torch's build.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv-lowest}
TESTS=${*:-tests/records tests/stats tests/data tests/store tests/asking tests/engine/test_logprobs.py tests/train/test_loop.py}

"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/python" - > "$VENV/lowest.txt" <<'LOWEST'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
needed = [*project["dependencies"], *project["optional-dependencies"]["lora"]]
print("\n".join(requirement.replace(">=", "==") for requirement in needed))
LOWEST
cat "$VENV/lowest.txt"
# shellcheck disable=SC2086 # options are several words
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check ${PIP_OPTIONS:-} \
    --requirement "$VENV/lowest.txt" pytest hypothesis beartype
# shellcheck disable=SC2086 # tests are several words
"$VENV/bin/python" -m pytest -q $TESTS
