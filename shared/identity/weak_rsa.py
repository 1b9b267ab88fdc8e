"""Detects long RSA moduli that can be factored all the same.

ROCA (CVE-2017-15361): Infineon's library generated primes p = k * M + (65537^a mod M), where M is the product of the
first primes. So the modulus is a power of 65537 modulo M; about one in 2^150 other moduli is, too. M. Nemec, M. Sys, P.
Svenda, D. Klinec and V. Matyas: The Return of Coppersmith's Attack, ACM CCS 2017, section 2.2 (the fingerprint); their
tool is https://github.com/crocs-muni/roca. Wycheproof has keys of this kind.
"""

from math import gcd, isqrt, prod

_GENERATOR = 65537
# The primes that divide M for the shortest keys (512 bits), and so for all.
_PRIMES = (
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip
_PRIMORIAL = prod(_PRIMES)
# CVE-2022-26320: primes so close together that Fermat's method finds them at once.
_FERMAT_ROUNDS = 100


def weakness(modulus: int) -> str | None:
    """Return why this modulus can be factored, as the end of a sentence about its key; None if no weakness is found."""
    if gcd(modulus, _PRIMORIAL) != 1:
        return "has a small factor"
    if _is_of_roca(modulus):
        return "was made by a library whose keys can be factored (ROCA, CVE-2017-15361)"
    if _has_close_factors(modulus):
        return "has two factors that are close to each other (CVE-2022-26320)"
    return None


def _powers(prime: int) -> dict[int, int]:
    """Return the exponent of every power of the generator modulo a prime."""
    found: dict[int, int] = {}
    power = 1 % prime
    while power not in found:
        found[power] = len(found)
        power = power * _GENERATOR % prime
    return found


_LOGARITHMS = {prime: _powers(prime) for prime in _PRIMES}


def _is_of_roca(modulus: int) -> bool:
    """Return whether one exponent makes the modulus a power of the generator modulo all the primes."""
    exponent, period = 0, 1
    for prime, logarithms in _LOGARITHMS.items():
        here, order = logarithms.get(modulus % prime), len(logarithms)
        if here is None or (here - exponent) % gcd(period, order):
            return False
        # The exponents that fit so far are `exponent`, and then every `period`-th.
        while exponent % order != here:
            exponent += period
        period = period * order // gcd(period, order)
    return True


def _has_close_factors(modulus: int) -> bool:
    middle = isqrt(modulus - 1) + 1
    for _ in range(_FERMAT_ROUNDS):
        square = middle * middle - modulus
        if isqrt(square) ** 2 == square:
            return True
        middle += 1
    return False
