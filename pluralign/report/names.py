"""Groups by the names that a reader knows: `de` is German, `en-IN` Indian English, `KOR` South Korea."""

from langcodes import Language, tag_is_valid

from pluralign.data.countries import called
from pluralign.data.languages import iso_name
from pluralign.records.estimate import ALL

_SPELT = """
acm Mesopotamian Arabic; aeb Tunisian Arabic; apc North Levantine Arabic; arb Modern Standard Arabic;
ars Najdi Arabic; ary Moroccan Arabic; arz Egyptian Arabic; pcm Nigerian Pidgin; af Afrikaans; am Amharic;
ar Arabic; as Assamese; az Azerbaijani; be Belarusian; bg Bulgarian; bm Bambara; bn Bengali; bo Tibetan;
bs Bosnian; ca Catalan; ceb Cebuano; ckb Sorani Kurdish; cs Czech; cy Welsh; da Danish; de German; el Greek;
en English; eo Esperanto; es Spanish; et Estonian; eu Basque; fa Persian; ff Fula; fi Finnish; fil Filipino;
fr French; fuv Nigerian Fulfulde; ga Irish; gl Galician; gn Guarani; gu Gujarati; ha Hausa; he Hebrew;
hi Hindi; hr Croatian; ht Haitian Creole; hu Hungarian; hy Armenian; id Indonesian; ig Igbo; ilo Ilocano;
is Icelandic; it Italian; ja Japanese; jv Javanese; ka Georgian; kac Jingpho; kea Kabuverdianu; kk Kazakh;
km Khmer; kn Kannada; ko Korean; ku Kurdish; ky Kyrgyz; lb Luxembourgish; lg Ganda; ln Lingala; lo Lao;
lt Lithuanian; luo Luo; lv Latvian; mg Malagasy; mi Maori; mk Macedonian; ml Malayalam; mn Mongolian;
mr Marathi; ms Malay; mt Maltese; my Burmese; nb Norwegian Bokmål; ne Nepali; nl Dutch; nn Norwegian
Nynorsk; no Norwegian; nso Northern Sotho; ny Chichewa; om Oromo; or Odia; pa Punjabi; pbt Southern Pashto;
pl Polish; ps Pashto; pt Portuguese; qu Quechua; ro Romanian; ru Russian; rw Kinyarwanda; sd Sindhi;
shn Shan; si Sinhala; sk Slovak; sl Slovenian; sn Shona; so Somali; sq Albanian; sr Serbian; ss Swati; st
Southern Sotho; su Sundanese; sv Swedish; sw Swahili; ta Tamil; te Telugu; tg Tajik; th Thai; ti Tigrinya;
tl Tagalog; tn Tswana; tr Turkish; ts Tsonga; uk Ukrainian; ur Urdu; uz Uzbek; vi Vietnamese; war Waray;
wo Wolof; xh Xhosa; yo Yoruba; zh Chinese; zu Zulu
"""

LANGUAGES: dict[str, str] = {
    code: name for code, _, name in (pair.partition(" ") for pair in " ".join(_SPELT.split()).split("; "))
}
"""Languages by BCP-47 subtag as readers call them; all others go by ISO's name."""

PLACES = {
    "AU": "Australian",
    "BR": "Brazilian",
    "CA": "Canadian",
    "CN": "Mainland",
    "ES": "European",
    "GB": "British",
    "GH": "Ghanaian",
    "HK": "Hong Kong",
    "IE": "Irish",
    "IN": "Indian",
    "JM": "Jamaican",
    "KE": "Kenyan",
    "MX": "Mexican",
    "NG": "Nigerian",
    "NZ": "New Zealand",
    "PH": "Philippine",
    "PK": "Pakistani",
    "PT": "European",
    "SG": "Singapore",
    "US": "American",
    "ZA": "South African",
}

SCRIPTS = {
    "Arab": "Arabic script",
    "Cyrl": "Cyrillic script",
    "Deva": "Devanagari",
    "Hans": "simplified",
    "Hant": "traditional",
    "Latn": "Latin script",
}


def display(slice: str, group: str, code: str) -> str:
    """A group's name for readers; its own id where no better one is known.

    `code` is a BCP-47 tag where `slice` is `language` or `dialect`, ISO 3166 alpha-3 where it is `country`; other
    slices keep their ids, with spaces for underscores.
    """
    if group == ALL:
        return "everyone"
    if slice == "country":
        return called(code) if called(code) != code else group.replace("_", " ")
    if slice not in ("language", "dialect"):
        return group.replace("_", " ")
    if not tag_is_valid(code):
        return group
    tag = Language.get(code)
    name = LANGUAGES.get(tag.language or "") or iso_name(tag.language or "")
    if name is None or (tag.territory and tag.territory not in PLACES):
        return group
    place = f"{PLACES[tag.territory]} " if tag.territory else ""
    script = f" ({SCRIPTS.get(tag.script, tag.script)})" if tag.script else ""
    return f"{place}{name}{script}"
