"""Groups by the names that readers know, and by their ids where no better one is known."""

import pytest

from pluralign.report.names import display


@pytest.mark.parametrize(
    ("slice", "group", "code", "name"),
    [
        ("language", "deu_Latn", "de", "German"),
        ("language", "swh_Latn", "sw", "Swahili"),
        ("language", "zho_Hant", "zh-Hant", "Chinese (traditional)"),
        ("language", "hin_Latn", "hi-Latn", "Hindi (Latin script)"),
        ("language", "pt_br", "pt-BR", "Brazilian Portuguese"),
        ("dialect", "en_in", "en-IN", "Indian English"),
        ("dialect", "en_ng", "en-NG", "Nigerian English"),
        ("dialect", "en_us", "en-US", "American English"),
        ("language", "bre_Latn", "br", "Breton"),
        ("language", "wuu_Hans", "wuu-Hans", "Wu Chinese (simplified)"),
        ("language", "xqz", "xqz", "xqz"),
        ("language", "all", "", "everyone"),
        ("country", "DEU", "DEU", "Germany"),
        ("country", "KOR", "KOR", "South Korea"),
        ("country", "Northern Cyprus", "Northern Cyprus", "Northern Cyprus"),
        ("country", "DEU", "DE", "DEU"),
        ("values", "de", "de", "de"),
        ("country", "united_states", "US", "united states"),
        ("language", "not a tag", "not a tag", "not a tag"),
        ("dialect", "en_aq", "en-AQ", "en_aq"),
    ],
)
def test_names(slice: str, group: str, code: str, name: str) -> None:
    assert display(slice, group, code) == name
