"""Which values a tax id of each type can have.

Source: Stripe's "Customer tax IDs" (docs.stripe.com/billing/customer/tax-ids), the table of supported types with an
example each, and for `eu_vat` the structures that the VAT Information Exchange System lists by member state. A type
that is not below is a Stripe type all the same; its values are not checked here.
"""

from __future__ import annotations

import re

# By member state, after its two letters; EL is Greece, XI is Northern Ireland.
_EU_VAT = {
    "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}", "DE": r"\d{9}",
    "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"\d{8}",
    "FR": r"[A-Z0-9]{2}\d{9}", "HR": r"\d{11}", "HU": r"\d{8}", "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}", "IT": r"\d{11}",
    "LT": r"(\d{9}|\d{12})", "LU": r"\d{8}", "LV": r"\d{11}", "MT": r"\d{8}", "NL": r"\d{9}B\d{2}", "PL": r"\d{10}",
    "PT": r"\d{9}", "RO": r"\d{2,10}", "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}",
    "XI": r"(\d{9}|\d{12}|GD\d{3}|HA\d{3})",
}  # fmt: skip
_FORMATS = {
    "au_abn": r"\d{11}",
    "br_cnpj": r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}",
    "ca_bn": r"\d{9}",
    "ca_gst_hst": r"\d{9}RT\d{4}",
    "ch_uid": r"CHE-?\d{3}\.?\d{3}\.?\d{3}",
    "ch_vat": r"CHE-?\d{3}\.?\d{3}\.?\d{3} ?(MWST|TVA|IVA)",
    "de_stn": r"\d{10,11}",
    "es_cif": r"[A-Z]\d{7}[A-Z0-9]",
    "eu_oss_vat": r"EU\d{9}",
    "eu_vat": "|".join(f"{state}{rest}" for state, rest in _EU_VAT.items()),
    "gb_vat": r"GB(\d{9}|\d{12}|GD\d{3}|HA\d{3})",
    "hu_tin": r"\d{8}-\d-\d{2}",
    "in_gst": r"\d{2}[A-Z]{5}\d{4}[A-Z]\d[A-Z][A-Z0-9]",
    "is_vat": r"\d{5,6}",
    "jp_cn": r"\d{13}",
    "li_uid": r"CHE-?\d{3}\.?\d{3}\.?\d{3}",
    "no_vat": r"\d{9}MVA",
    "no_voec": r"\d{7}",
    "nz_gst": r"\d{8,9}",
    "sg_uen": r"(\d{8}[A-Z]|\d{9}[A-Z]|[TSR]\d{2}[A-Z]{2}\d{4}[A-Z])",
    "us_ein": r"\d{2}-?\d{7}",
    "za_vat": r"\d{10}",
}
_UNCHECKED = (
    "ad_nrt ae_trn al_tin am_tin ao_tin ar_cuit au_arn aw_tin az_tin ba_tin bb_tin bd_bin bf_ifu bg_uic bh_vat bj_ifu "
    "bo_tin br_cpf bs_tin by_tin ca_pst_bc ca_pst_mb ca_pst_sk ca_qst cd_nif cl_tin cm_niu cn_tin co_nit cr_tin cv_nif "
    "do_rcn ec_ruc eg_tin et_tin fo_vat ge_vat gi_tin gn_nif hk_br hr_oib id_npwp il_vat it_cf jp_rn jp_trn ke_pin "
    "kg_tin kh_tin kr_brn kz_bin la_tin li_vat lk_vat ma_vat md_vat me_pib mk_vat mr_nif mx_rfc my_frp my_itn my_sst "
    "ng_tin np_pan om_vat pe_ruc ph_tin pl_nip py_ruc ro_tin rs_pib ru_inn ru_kpp sa_vat sg_gst si_tin sn_ninea sr_fin "
    "sv_nit th_vat tj_tin tr_tin tw_vat tz_vat ua_vat ug_tin uy_ruc uz_tin uz_vat ve_rif vn_tin zm_tin zw_tin"
)
TYPES = tuple(sorted({*_FORMATS, *_UNCHECKED.split()}))


def is_valid(type_: str, value: str) -> bool:
    """Return whether the value has the format of its type. Stripe reads over spaces, and over capitals."""
    compact = value.upper().strip()
    known = _FORMATS.get(type_)
    if known is None:
        return bool(compact)
    if type_ not in {"ch_vat", "hu_tin", "br_cnpj"}:
        compact = re.sub(r"[ .]", "", compact)
    return re.fullmatch(known, compact) is not None


def country_of(type_: str, value: str) -> str | None:
    """Return the country that a tax id is of: its type names it, and for the union's the value does."""
    if type_ == "eu_oss_vat":
        return None
    prefix = value.strip()[:2].upper() if type_ == "eu_vat" else type_[:2].upper()
    return {"EL": "GR", "XI": "GB"}.get(prefix, prefix)
