"""Whether a tax id can be one: its form, and the digits in it that follow from the others.

Vendors check them too (Tryton refuses a customer whose number fails), but only once they are written. Here they are
checked before. A number that passes need not be given to anybody: only VIES, or a country's own register, knows that.

Sources, member states: "UID-Konstruktionsregeln" of the Austrian Federal Ministry of Finance, and the European
Commission's "VAT identification number structure" (VIES, question 11), with the national rules for the numbers of
persons that serve as VAT ids (BG, CZ, ES, LV, RO, SK). GB: HMRC, VATIT; CH: Federal Statistical Office, UID; NO:
Brønnøysund Register Centre; US: Internal Revenue Service, "How EINs are assigned and valid EIN prefixes".
`tests/system_api/erp/tryton/test_tax_id_check.py` compares the rules with those that the real Tryton uses.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date

_Rule = Callable[[str], bool]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def is_possible(register: str, number: str) -> bool:
    """Whether a register could have given that number, which is written without the country's letters.

    Registers are ISO 3166-1 codes, and XI. One that has no rule here takes every number.
    """
    rule = _RULES.get(register)
    return rule is None or rule(number)


def _sum(number: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def _digits(number: str, *lengths: int) -> bool:
    return number.isdecimal() and number.isascii() and len(number) in lengths


def _doubled(number: str) -> int:
    """The digits' sum, every second one from the right doubled and its own digits added (Luhn)."""
    doubles = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    return sum(doubles[int(each)] if place % 2 else int(each) for place, each in enumerate(reversed(number)))


def _luhn(number: str) -> bool:
    return _doubled(number) % 10 == 0


def _mod_11_10(number: str) -> bool:
    """ISO/IEC 7064, MOD 11,10."""
    product = 10
    for digit in number[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (product + int(number[-1])) % 10 == 1


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


# -- member states ----------------------------------------------------------------------------------------------------


def _at(number: str) -> bool:
    return number[:1] == "U" and _digits(number[1:], 8) and int(number[8]) == (6 - _doubled(number[1:8])) % 10


def _be(number: str) -> bool:
    number = number.zfill(10)
    return (
        _digits(number, 10)
        and number[0] in "01"
        and int(number[1:8]) > 0
        and (int(number[:8]) + int(number[8:])) % 97 == 0
    )


def _bg(number: str) -> bool:
    if _digits(number, 9):
        check = _sum(number, range(1, 9)) % 11
        check = _sum(number, range(3, 11)) % 11 if check == 10 else check
        return int(number[8]) == check % 10
    return _digits(number, 10) and (_bg_person(number) or _bg_foreigner(number) or _bg_other(number))


def _bg_person(number: str) -> bool:
    year, month, day = int(number[:2]) + 1900, int(number[2:4]), int(number[4:6])
    year, month = (year + 100, month - 40) if month > 40 else (year - 100, month - 20) if month > 20 else (year, month)
    return _is_day(year, month, day) and _sum(number, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(number[9])


def _bg_foreigner(number: str) -> bool:
    return _sum(number, (21, 19, 17, 13, 11, 9, 7, 3, 1)) % 10 == int(number[9])


def _bg_other(number: str) -> bool:
    return (11 - _sum(number, (4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(number[9])


def _cy(number: str) -> bool:
    if not _digits(number[:8], 8) or len(number) != 9 or number.startswith("12"):
        return False
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
    total = sum(odd[int(each)] if place % 2 == 0 else int(each) for place, each in enumerate(number[:8]))
    return number[8] == _LETTERS[total % 26]


def _cz(number: str) -> bool:
    if _digits(number, 8):
        return number[0] != "9" and int(number[7]) == (11 - _sum(number[:7], range(8, 1, -1)) % 11) % 10
    return _birth_number(number) or _cz_other(number)


def _cz_other(number: str) -> bool:
    if not _digits(number, 9) or number[0] != "6":
        return False
    return int(number[8]) == (8 - (10 - _sum(number[1:8], range(8, 1, -1)) % 11) % 11) % 10


def _birth_number(number: str) -> bool:
    """A person's number in Czechia and Slovakia: of nine digits until 1953, and then of ten, divisible by 11."""
    if not _digits(number, 9, 10):
        return False
    year, month, day = int(number[:2]) + 1900, int(number[2:4]) % 50 % 20, int(number[4:6])
    if len(number) == 9:
        year -= 100 if year >= 1980 else 0
        return year <= 1953 and _is_day(year, month, day)
    year += 100 if year < 1954 else 0
    return _is_day(year, month, day) and int(number[:9]) % 11 % 10 == int(number[9])


def _de(number: str) -> bool:
    return _digits(number, 9) and number[0] != "0" and _mod_11_10(number)


def _dk(number: str) -> bool:
    return _digits(number, 8) and number[0] != "0" and _sum(number, (2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _ee(number: str) -> bool:
    return _digits(number, 9) and _sum(number, (3, 7, 1) * 3) % 10 == 0


def _es(number: str) -> bool:
    if len(number) != 9 or not _digits(number[1:8], 7):
        return False
    first, last = number[0], number[8]
    persons = "TRWAGMYFPDXBNJZSQVHLCKE"
    if first.isdecimal():
        return last == persons[int(number[:8]) % 23]
    if first in "XYZ":
        return last == persons[int(f"{'XYZ'.index(first)}{number[1:8]}") % 23]
    if first in "KLM":
        return last == persons[int(number[1:8]) % 23]
    check = (10 - _doubled(number[1:8] + "0") % 10) % 10
    letter, digit = "JABCDEFGHI"[check], str(check)
    return first in "ABCDEFGHJNPQRSUVW" and last in letter + digit


def _fi(number: str) -> bool:
    return _digits(number, 8) and _sum(number, (7, 9, 10, 5, 8, 4, 2, 1)) % 11 == 0


def _fr(number: str) -> bool:
    key, siren = number[:2], number[2:]
    if not _digits(siren, 9) or (siren[:3] != "000" and not _luhn(siren)):  # Monaco's begin with 000
        return False
    if key.isdecimal():
        return int(siren + "12") % 97 == int(key)
    alphabet = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    if any(each not in alphabet for each in key):
        return False
    first, second = (alphabet.index(each) for each in key)
    rest = first * 24 + second - 10 if key[0].isdecimal() else first * 34 + second - 100
    return (int(siren) + 1 + rest // 11) % 11 == rest % 11


def _gr(number: str) -> bool:
    number = number.zfill(9)
    return _digits(number, 9) and _sum(number, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(number[8])


def _hr(number: str) -> bool:
    return _digits(number, 11) and _mod_11_10(number)


def _hu(number: str) -> bool:
    return _digits(number, 8) and _sum(number, (9, 7, 3, 1) * 2) % 10 == 0


def _ie(number: str) -> bool:
    alphabet = "WABCDEFGHIJKLMNOPQRSTUV"
    if re.fullmatch(r"[0-9]{7}[A-W][A-W]?", number):
        more = alphabet.index(number[8]) if len(number) == 9 else 0
        return number[7] == alphabet[(_sum(number, range(8, 1, -1)) + 9 * more) % 23]
    if re.fullmatch(r"[0-9][A-Z+*][0-9]{5}[A-W]", number):
        return number[7] == alphabet[_sum(f"0{number[2:7]}{number[0]}", range(8, 1, -1)) % 23]
    return False


def _it(number: str) -> bool:
    office = number[7:10]
    return (
        _digits(number, 11)
        and int(number[:7]) > 0
        and ("001" <= office <= "100" or office in {"120", "121", "888", "999"})
        and _luhn(number)
    )


def _lt(number: str) -> bool:
    if not _digits(number, 9, 12) or number[-2] != "1":
        return False
    body = number[:-1]
    check = _sum(body, (1 + place % 9 for place in range(len(body)))) % 11
    if check == 10:
        check = _sum(body, (1 + (place + 2) % 9 for place in range(len(body)))) % 11
    return check % 10 == int(number[-1])


def _lu(number: str) -> bool:
    return _digits(number, 8) and int(number[:6]) % 89 == int(number[6:])


def _lv(number: str) -> bool:
    if not _digits(number, 11):
        return False
    if number[0] > "3":
        return _sum(number, (9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1)) % 11 == 3
    if not number.startswith("32"):  # with the day of birth, as until 2017
        year = int(number[4:6]) + 1800 + int(number[6]) * 100
        if not _is_day(year, int(number[2:4]), int(number[:2])):
            return False
    return (1 + _sum(number, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == int(number[10])


def _mt(number: str) -> bool:
    return _digits(number, 8) and number[0] != "0" and _sum(number, (3, 4, 6, 7, 8, 9, 10, 1)) % 37 == 0


def _nl(number: str) -> bool:
    """By the eleven-test of a company's number or, as persons have it since 2020, by 97 of the whole."""
    found = re.fullmatch(r"([0-9]{1,9})B([0-9]{2})", number)
    if found is None or int(found[1]) == 0 or int(found[2]) == 0:
        return False
    company = found[1].zfill(9)
    whole = "".join(str(_LETTERS.index(each) + 10) if each.isalpha() else each for each in f"NL{company}B{found[2]}")
    return (_sum(company, range(9, 1, -1)) - int(company[8])) % 11 == 0 or int(whole) % 97 == 1


def _pl(number: str) -> bool:
    return _digits(number, 10) and _sum(number, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(number[9])


def _pt(number: str) -> bool:
    check = (11 - _sum(number[:8], range(9, 1, -1)) % 11) % 11 % 10 if _digits(number, 9) else -1
    return number[:1] != "0" and check == int(number[8:9] or 0)


def _ro(number: str) -> bool:
    if _digits(number, 13):
        return _ro_person(number)
    if not _digits(number, *range(2, 11)) or number[0] == "0":
        return False
    return _sum(number[:-1].zfill(9), (7, 5, 3, 2, 1, 7, 5, 3, 2)) * 10 % 11 % 10 == int(number[-1])


def _ro_person(number: str) -> bool:
    century = {"1": 1900, "2": 1900, "3": 1800, "4": 1800, "5": 2000, "6": 2000}.get(number[0], 1900)
    county = int(number[7:9])
    return (
        number[0] != "0"
        and _is_day(century + int(number[1:3]), int(number[3:5]), int(number[5:7]))
        and (1 <= county <= 48 or county in {51, 52, 70, 80, 81, 82, 83})
        and (1, *range(10))[(_sum(number, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) + 1) % 11] == int(number[12])
    )


def _se(number: str) -> bool:
    return _digits(number, 12) and number[10:] == "01" and _luhn(number[:10])


def _si(number: str) -> bool:
    if not _digits(number, 8) or number[0] == "0":
        return False
    check = 11 - _sum(number[:7], range(8, 1, -1)) % 11
    return check < 11 and check % 10 == int(number[7])


def _sk(number: str) -> bool:
    if len(number) == 10 and _birth_number(number):
        return True
    return _digits(number, 10) and number[0] != "0" and number[2] in "234789" and int(number) % 11 == 0


# -- elsewhere --------------------------------------------------------------------------------------------------------


def _gb(number: str) -> bool:
    if number[:2] in {"GD", "HA"}:
        return _digits(number[2:], 3) and (number[2] < "5") is (number[:2] == "GD")
    if not _digits(number, 9, 12):
        return False
    total = (_sum(number[:7], range(8, 1, -1)) + int(number[7:9])) % 97
    return total == 0 or (total in {42, 55} and number[:3] >= "100")


def _ch(number: str) -> bool:
    check = (11 - _sum(number[:8], (5, 4, 3, 2, 7, 6, 5, 4)) % 11) % 11 if _digits(number[:9], 9) else -1
    return check == int(number[8:9] or 0)


def _no(number: str) -> bool:
    return _digits(number, 9) and (11 - _sum(number[:8], (3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(number[8])


# The first two digits that no campus of the IRS gives.
_NO_CAMPUS = frozenset(
    {"00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97"}
)


def _us(number: str) -> bool:
    return _digits(number, 9) and number[:2] not in _NO_CAMPUS


_RULES: dict[str, _Rule] = {
    "AT": _at,
    "BE": _be,
    "BG": _bg,
    "CY": _cy,
    "CZ": _cz,
    "DE": _de,
    "DK": _dk,
    "EE": _ee,
    "ES": _es,
    "FI": _fi,
    "FR": _fr,
    "GR": _gr,
    "HR": _hr,
    "HU": _hu,
    "IE": _ie,
    "IT": _it,
    "LT": _lt,
    "LU": _lu,
    "LV": _lv,
    "MT": _mt,
    "NL": _nl,
    "PL": _pl,
    "PT": _pt,
    "RO": _ro,
    "SE": _se,
    "SI": _si,
    "SK": _sk,
    "GB": _gb,
    "XI": _gb,
    "CH": _ch,
    "NO": _no,
    "US": _us,
}
