"""Where a log starts after a cut: what is kept of the entries that were exported and deleted."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.audit.checkpoint import Checkpoint, read_checkpoint
from shared.audit.merkle import HASH_BYTES, Tree
from shared.audit.note import NoteError


@dataclass(frozen=True)
class Cut:
    """The state of a log after `size` entries: its tree's right edge, its chain hash and the checkpoint over them."""

    size: int = 0
    edge: tuple[bytes, ...] = ()
    chain_hash: bytes = bytes(HASH_BYTES)
    checkpoint: str = ""

    def tree(self) -> Tree:
        """Return the tree that further entries are appended to. Raises NoteError if the stored edge fits no tree."""
        if len(self.edge) != self.size.bit_count() or any(len(each) != HASH_BYTES for each in self.edge):
            raise NoteError(f"what is kept of {self.size} entries is no edge of a tree over so many")
        return Tree(self.size, list(self.edge))

    def signed(self, origin: str, key: Ed25519PublicKey) -> Checkpoint:
        """Return the checkpoint that covers the deleted entries. Raises NoteError if none does."""
        checkpoint = read_checkpoint(self.checkpoint, origin, key)
        if (checkpoint.size, checkpoint.root) != (self.size, self.tree().root()):
            raise NoteError(f"it was not signed over the {self.size} entries that are gone")
        return checkpoint


UNCUT = Cut()
