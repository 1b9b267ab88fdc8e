"""The Merkle tree of RFC 6962 (section 2.1), grown leaf by leaf: a tree of n leaves is stored as log n hashes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass
class Tree:
    """A tree, stored as its right edge: the roots of its complete subtrees, largest first, one for each 1 bit in its
    size.
    """

    size: int = 0
    edge: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given by its hash."""
        self.edge.append(leaf)
        merged = self.size
        while merged & 1:  # as many subtrees of equal size are joined as the old size has trailing ones
            right, left = self.edge.pop(), self.edge.pop()
            self.edge.append(node_hash(left, right))
            merged >>= 1
        self.size += 1

    def root(self) -> bytes:
        """Return the tree head."""
        if not self.edge:
            return EMPTY_ROOT
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the tree head over these leaves' data."""
    tree = Tree()
    for data in leaves:
        tree.append(leaf_hash(data))
    return tree.root()
