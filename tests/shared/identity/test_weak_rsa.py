"""Factorable RSA keys are recognised by their modulus, and refused everywhere."""

import random
from base64 import urlsafe_b64encode
from collections.abc import Callable
from math import prod

import pytest
from joserfc.jwk import RSAKey

from shared.identity import token_keys
from shared.identity.token_keys import JwkSet, load_keys
from shared.identity.weak_rsa import weakness

# The first 126 primes, of which the library took the product for keys of 1984 to 3936 bits.
PRIMES = [n for n in range(2, 702) if all(n % d for d in range(2, n))]
M = prod(PRIMES)


def is_prime(number: int) -> bool:
    """Return whether it is, by Miller and Rabin; wrong once in 4^40."""
    if any(number % prime == 0 for prime in PRIMES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(40):
        power = pow(random.randrange(2, number - 1), odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def first_prime(candidate: Callable[[], int]) -> int:
    while not is_prime(found := candidate()):
        pass
    return found


def roca_prime() -> int:
    """Return a prime as the library made them: 1024 bits, which its form leaves a few dozen to choose."""
    multiples = 3 * 2**1022 // M, 2**1024 // M
    return first_prime(lambda: random.randrange(*multiples) * M + pow(65537, random.randrange(2**200), M))


def next_prime(number: int) -> int:
    number |= 1
    while not is_prime(number):
        number += 2
    return number


def jwk(modulus: int, kid: str) -> dict[str, str]:
    """Return the modulus as an issuer publishes it."""
    text = urlsafe_b64encode(modulus.to_bytes((modulus.bit_length() + 7) // 8)).rstrip(b"=").decode()
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": text, "e": "AQAB"}


def ordinary_modulus() -> int:
    return RSAKey.generate_key(2048).public_key.public_numbers().n


def weak_moduli() -> dict[str, int]:
    first = next_prime(random.randrange(3 * 2**1022, 2**1024))
    return {
        "ROCA": roca_prime() * roca_prime(),
        "close factors": first * next_prime(first + 2),
        "the same factor twice": first * first,
        "a small factor": 167 * random.randrange(2**2040, 2**2041),
        "an even modulus": 2 * random.randrange(2**2046, 2**2047),
    }


WEAK = weak_moduli()


@pytest.mark.parametrize("kind", WEAK)
def test_factorable_key_is_left_out_of_a_key_set(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    good = jwk(ordinary_modulus(), "good")

    assert weakness(WEAK[kind]) is not None
    assert list(load_keys(JwkSet(keys=[jwk(WEAK[kind], "weak"), good]))) == ["good"]
    assert "key weak " in caplog.text


def test_mutation_without_fingerprint_a_roca_key_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation."""
    monkeypatch.setattr(token_keys, "weakness", lambda _: None)

    assert "weak" in load_keys(JwkSet(keys=[jwk(WEAK["ROCA"], "weak")]))


def test_one_factor_of_roca_form_is_no_fingerprint() -> None:
    assert weakness(roca_prime() * next_prime(random.randrange(3 * 2**1022, 2**1024))) is None


def test_ordinary_moduli_have_no_weakness() -> None:
    """The fingerprint sees residues only, so that any number without small factors will do."""
    numbers = (random.randrange(2**2047, 2**2048) for _ in range(20_000))
    ordinary = [number for number in numbers if all(number % prime for prime in PRIMES[:39])]

    assert len(ordinary) > 1000
    assert {weakness(number) for number in ordinary} == {None}
