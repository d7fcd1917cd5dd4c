"""How often languages are told rightly, by the least probability that is believed.

    python -m benchmarks.languages FOLDER      # the TyDiQA-GoldP files, tydiqa-goldp-dev-<language>.json

Questions (about 40 characters), beginnings of passages and whole passages in nine languages, whose own are known: the
shares that are told rightly, that are undetermined, and that are told wrongly.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from py3langid.langid import MODEL_FILE, LanguageIdentifier

CODES = {
    "arabic": "ar",
    "bengali": "bn",
    "english": "en",
    "finnish": "fi",
    "indonesian": "id",
    "korean": "ko",
    "russian": "ru",
    "swahili": "sw",
    "telugu": "te",
}
CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def main() -> None:
    """Print a table for each kind of text."""
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    told: dict[str, list[tuple[str, str, float]]] = {}
    for kind, code, text in _texts(Path(sys.argv[1])):
        found, confidence = model.classify(text)
        told.setdefault(kind, []).append((code, found, confidence))
    for kind, each in told.items():
        print(f"\n{kind}: {len(each)} texts\nat least  right  und    wrong  macro-right  most often wrong")
        for least in CONFIDENCES:
            print(_line(each, least))


def _texts(folder: Path) -> Iterator[tuple[str, str, str]]:
    for language, code in CODES.items():
        path = folder / f"tydiqa-goldp-dev-{language}.json"
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for passage in article["paragraphs"]:
                yield "passages", code, passage["context"][:1000]
                for size in (15, 30, 60):
                    yield f"first {size} characters", code, passage["context"][:size]
                yield from (("questions", code, asked["question"]) for asked in passage["qas"])


def _line(told: list[tuple[str, str, float]], least: float) -> str:
    kept = [(code, found if confidence >= least else "und") for code, found, confidence in told]
    right = sum(code == found for code, found in kept) / len(kept)
    undetermined = sum(found in ("und", "zxx") for _, found in kept) / len(kept)
    by_language = [
        sum(code == found for code, found in kept if code == language) / sum(code == language for code, _ in kept)
        for language in CODES.values()
    ]
    wrong = Counter(f"{code}→{found}" for code, found in kept if found not in (code, "und", "zxx")).most_common(4)
    listed = ", ".join(f"{pair} {number}" for pair, number in wrong)
    macro = sum(by_language) / len(by_language)
    return f"{least:8.1f}  {right:.4f} {undetermined:.4f} {1 - right - undetermined:.4f} {macro:.4f}       {listed}"


if __name__ == "__main__":
    main()
