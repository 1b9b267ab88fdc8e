"""The issuer's signing keys: one signs, all are published, and rotation adds a key without removing any."""

from pathlib import Path
from typing import Any, Literal, cast, get_args

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, KeySet, KeySetSerialization, RSAKey

from sandbox.issuer.state_file import read_state, write_state

SigningAlgorithm = Literal["RS256", "ES256"]
SIGNING_ALGORITHMS: tuple[SigningAlgorithm, ...] = get_args(SigningAlgorithm)


class SigningKeys:
    """The key ring in `path`, generated there if the file does not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path
        saved = read_state(path)
        if saved is None:
            self._keys = [_generate(algorithm) for algorithm in SIGNING_ALGORITHMS]
            self._current = self._keys[0]
            self._save()
        else:
            key_set = KeySet.import_key_set(cast(KeySetSerialization, {"keys": saved["keys"]}))
            self._keys = [key for key in key_set.keys if isinstance(key, RSAKey | ECKey)]
            self._current = next(key for key in self._keys if key.kid == saved["current"])

    @property
    def current_kid(self) -> str:
        return str(self._current.kid)

    @property
    def current_algorithm(self) -> SigningAlgorithm:
        return cast(SigningAlgorithm, self._current.alg)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return an RFC 9068 access token (`typ: at+jwt`) over `claims`, signed with the current key."""
        header = {"typ": "at+jwt", "alg": self.current_algorithm, "kid": self.current_kid}
        return jwt.encode(header, claims, self._current, algorithms=[self.current_algorithm])

    def rotate(self, algorithm: SigningAlgorithm | None = None) -> str:
        """Create a new current key (by default of the current algorithm) and return its `kid`.

        Earlier keys stay published, so tokens that they signed stay valid until they expire.
        """
        self._current = _generate(algorithm or self.current_algorithm)
        self._keys.append(self._current)
        self._save()
        return self.current_kid

    def public_jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    def _save(self) -> None:
        private = [key.as_dict(private=True) for key in self._keys]
        write_state(self._path, {"current": self.current_kid, "keys": private})


def _generate(algorithm: SigningAlgorithm) -> RSAKey | ECKey:
    parameters: KeyParameters = {"use": "sig", "alg": algorithm}
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, parameters, auto_kid=True)
    return ECKey.generate_key("P-256", parameters, auto_kid=True)
