"""The sandbox's data files, as far as the org holds what is in them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SeedFiles:
    """The parsed files of the seed folder."""

    company: dict[str, Any]
    customers: list[dict[str, Any]]
    products: list[dict[str, Any]]
    salesforce: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "SeedFiles":
        """Raises OSError for a missing file and ValueError for one that is not TOML."""

        def load(name: str) -> dict[str, Any]:
            return tomllib.loads((folder / name).read_text())

        return cls(
            company=load("company.toml"),
            customers=load("customers.toml")["customer"],
            products=load("products.toml")["product"],
            salesforce=load("salesforce.toml"),
        )
