"""`--help` and `import pluralign` are light: neither loads torch nor transformers."""

import resource
import subprocess
import sys

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
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pluralign", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3, f"{min(seconds):.2f} s of processor time"


def test_names_lists_what_a_run_file_can_name() -> None:
    done = subprocess.run([sys.executable, "-m", "pluralign", "names"], capture_output=True, text=True, check=True)
    for name in ("dpo", "sft", "reward", "dialects", "tydiqa", "uniform", "pairs"):
        assert name in done.stdout
