"""What is told before a tax id is written is what the real Tryton would say once it is.

Tryton refuses a number by python-stdnum, which is in its own environment and not in ours. It is asked there, about
numbers of every register that the code knows.
"""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sandbox.processes.progress import Progress
from sandbox.vendors.tryton.environment import tryton_python
from system_api.vendor.tax_id_check import is_possible
from system_api.vendor.vat import KNOWN_COUNTRIES

ASKS = """
import json, sys
from stdnum import get_cc_module
for line in sys.stdin:
    kind, code = json.loads(line)
    print(int(get_cc_module(*kind.split("_", 1)).is_valid(code)))
"""
OF_EACH_FORM = 700
# What a number is made of: 9 is a digit, A a letter, D a date of six digits; everything else stands for itself.
FORMS: dict[str, tuple[str, ...]] = {
    "AT": ("U99999999",),
    "BE": ("9999999999", "0999999999", "999999999"),
    "BG": ("999999999", "9999999999", "D9999"),
    "CY": ("99999999A",),
    "CZ": ("99999999", "999999999", "9999999999", "699999999", "D999", "D9999"),
    "DE": ("999999999",),
    "DK": ("99999999",),
    "EE": ("999999999",),
    "ES": ("99999999A", "A9999999A", "A99999999", "X9999999A", "K9999999A"),
    "FI": ("99999999",),
    "FR": ("99999999999", "AA999999999", "9A999999999", "A9999999999", "99000999999"),
    "GR": ("999999999", "99999999"),
    "HR": ("99999999999",),
    "HU": ("99999999",),
    "IE": ("9999999A", "9999999AA", "9999999AW", "9A99999A", "9+99999A", "9*99999A"),
    "IT": ("99999999999", "99999990019", "99999991009", "99999991209", "99999998889", "99999990009"),
    "LT": ("999999999", "999999919", "999999999999", "999999999919"),
    "LU": ("99999999",),
    "LV": ("99999999999", "32999999999", "01029919999"),
    "MT": ("99999999",),
    "NL": ("999999999B99", "9999999B99"),
    "PL": ("9999999999",),
    "PT": ("999999999",),
    "RO": ("99", "9999", "99999999", "9999999999", "9D999999", "9999999999999"),
    "SE": ("999999999999", "999999999901", "999999999902"),
    "SI": ("99999999",),
    "SK": ("9999999999", "D999", "D9999"),
    "XI": ("999999999", "999999999999"),
    "GB": ("999999999", "999999999999", "GD999", "HA999"),
    "CH": ("999999999", "999999999MWST"),
    "NO": ("999999999",),
    "US": ("999999999",),
}


def kept_as(register: str, number: str) -> tuple[str, str]:
    """The type and the code that the number is written to Tryton with."""
    match register:
        case "GB":
            return "gb_vat", f"GB{number}"
        case "CH":
            return "ch_uid" if number.isdecimal() else "ch_vat", f"CHE{number}"
        case "NO":
            return "no_vat", f"{number}MVA"
        case "US":
            return "us_ein", number
    return "eu_vat", f"{'EL' if register == 'GR' else register}{number}"


def numbers(form: str, chance: random.Random) -> Iterator[str]:
    """Numbers of a form, the same ones in every run."""
    months = [month + more for month in range(1, 13) for more in (0, 20, 40, 50, 70)]
    parts: dict[str, Callable[[], str]] = {
        "9": lambda: chance.choice("0123456789"),
        "A": lambda: chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "D": lambda: f"{chance.randrange(100):02}{chance.choice(months):02}{chance.randrange(1, 32):02}",
    }
    for _ in range(OF_EACH_FORM):
        yield "".join(parts[each]() if each in parts else each for each in form)


@pytest.mark.servers
def test_a_number_is_possible_exactly_where_the_real_tryton_takes_it() -> None:
    chance = random.Random(8)  # noqa: S311 the same numbers in every run
    asked = [(register, number) for register, forms in FORMS.items() for f in forms for number in numbers(f, chance)]

    questions = "\n".join(json.dumps(kept_as(*each)) for each in asked)
    command = [str(tryton_python(Progress(sys.stderr))), "-I", "-c", ASKS]
    answers = subprocess.run(command, input=questions, capture_output=True, text=True, check=True).stdout.split()

    assert len(answers) == len(asked)
    taken = {each for each, answer in zip(asked, answers, strict=True) if answer == "1"}
    possible = {each for each in asked if is_possible(*each)}
    assert possible - taken == set(), "the ERP would refuse what is told to be possible"
    assert taken - possible == set(), "what is refused here the ERP would take"
    counted = Counter(register for register, _ in taken)
    assert set(counted) == set(FORMS) >= KNOWN_COUNTRIES, "of some register no number was possible at all"
