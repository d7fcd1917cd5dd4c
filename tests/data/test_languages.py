"""FLORES codes and BCP-47: every language of Belebele has a code of its own, and a name."""

import pytest
from langcodes import Language, tag_is_valid

from pluralign.data.languages import bcp47
from pluralign.report.names import display

CODES = """
acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng azj_Latn bam_Latn
ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn
eus_Latn fin_Latn fra_Latn fuv_Latn gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn
hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda kat_Geor kaz_Cyrl
kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym
mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru
pbt_Arab pes_Arab plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn sna_Latn
snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn tam_Taml tel_Telu tgk_Cyrl tgl_Latn
tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn
yor_Latn zho_Hans zho_Hant zsm_Latn zul_Latn
"""
BELEBELE = CODES.split()


def test_every_language_of_belebele_has_a_valid_code_of_its_own() -> None:
    assert len(BELEBELE) == len(set(BELEBELE)) == 122
    codes = [bcp47(code) for code in BELEBELE]
    assert all(map(tag_is_valid, codes))
    assert len(set(codes)) == 122


@pytest.mark.parametrize("flores", BELEBELE)
def test_a_code_keeps_the_language_and_the_script(flores: str) -> None:
    own, script = flores.split("_")
    found = Language.get(bcp47(flores)).maximize()
    assert found.script == {"Hang": "Kore"}.get(script, script)
    assert Language.get(own).prefer_macrolanguage().language == found.language


def test_every_language_of_belebele_has_a_name_of_its_own() -> None:
    names = [display("language", flores, bcp47(flores)) for flores in BELEBELE]
    assert len(set(names)) == 122
    assert [name for name, flores in zip(names, BELEBELE, strict=True) if name == flores] == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("eng_Latn", "en"),
        ("kor_Hang", "ko"),
        ("arb_Arab", "ar"),
        ("arb_Latn", "ar-Latn"),
        ("acm_Arab", "acm-Arab"),
        ("als_Latn", "sq"),
        ("ckb_Arab", "ckb"),
        ("zho_Hans", "zh"),
        ("zho_Hant", "zh-Hant"),
        ("tgl_Latn", "fil"),
        ("en_in", "en-IN"),
        ("pt_br", "pt-BR"),
        ("sw", "sw"),
        ("?", "?"),
        ("no such language", "no such language"),
    ],
)
def test_codes(given: str, code: str) -> None:
    assert bcp47(given) == code


@pytest.mark.parametrize("code", ["en-IN", "ar-Latn", "zh-Hant", "sw"])
def test_a_code_stays_itself(code: str) -> None:
    assert bcp47(code) == code
