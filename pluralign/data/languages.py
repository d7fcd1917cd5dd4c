"""Languages by one code each, so that audits of different data sets meet."""

import pycountry
from langcodes import Language, standardize_tag

_FLORES_SCRIPTS = {"_Hang": "_Kore"}
"""FLORES writes Korean's script `Hang`; BCP-47's `Kore` stands for the same with the Chinese characters in it."""


def bcp47(code: str) -> str:
    """BCP-47 of a language, in its shortest form: `swh_Latn` → `sw`, `npi_Latn` → `ne-Latn`, `en_in` → `en-IN`.

    A language that stands for its macrolanguage in CLDR gets that one's code, and a script is dropped where CLDR
    takes it for granted. What is no language tag stays as it is.
    """
    for own, standard in _FLORES_SCRIPTS.items():
        code = code.replace(own, standard) if code.endswith(own) else code
    try:
        tag = Language.get(standardize_tag(code, macro=True))
    except ValueError:
        return code
    bare = Language.make(language=tag.language, territory=tag.territory, variants=tag.variants)
    return (bare if tag.script == bare.maximize().script else tag).to_tag()


def iso_name(subtag: str) -> str | None:
    """ISO 639-3's English name of a language by its BCP-47 subtag; None where it has none.

    >>> iso_name("an"), iso_name("wuu"), iso_name("xx")
    ('Aragonese', 'Wu Chinese', None)
    """
    found = pycountry.languages.get(**{"alpha_2" if len(subtag) == 2 else "alpha_3": subtag})
    return None if found is None else str(found.name)
