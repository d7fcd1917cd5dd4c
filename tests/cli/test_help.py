"""`--help` and `import pluralign` are light: neither loads torch nor transformers."""

import subprocess
import sys
import time

LIST = "import sys; print(' '.join(sys.modules))"


def loaded(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{LIST}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_is_light() -> None:
    assert not loaded("import pluralign, pluralign.cli") & {"torch", "transformers", "numpy", "scipy", "pyarrow"}


def test_help_is_light_and_quick() -> None:
    code = "import sys\nsys.argv = ['pluralign', '--help']\nfrom pluralign.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    assert not loaded(code) & {"torch", "transformers"}
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pluralign", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3, f"{min(times):.2f} s"


def test_names_lists_what_a_run_file_can_name() -> None:
    done = subprocess.run([sys.executable, "-m", "pluralign", "names"], capture_output=True, text=True, check=True)
    for name in ("dpo", "sft", "reward", "dialects", "tydiqa", "uniform", "pairs"):
        assert name in done.stdout
