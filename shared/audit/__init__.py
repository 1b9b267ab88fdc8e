"""The audit log: who did what to which record, on whose behalf, and how it ended. Written once, never changed.

    entry.py       what an entry says, and the bytes that are hashed
    policy.py      the inbound policy: which requests become entries, and when
    writer.py      writes entries: group commit for financial ones, batches for the rest
    log.py         the append-only log in PostgreSQL
    merkle.py      RFC 6962: the hash of a whole log
    chain.py       finds every edit, deletion, reordering and truncation
    note.py        C2SP signed notes (Ed25519)
    checkpoint.py  C2SP tlog-checkpoints: the state of a log, signed
    signer.py      exports checkpoints to where the database's administrators cannot reach
    cut.py         where a log starts once its older entries were exported and deleted
    export.py      the file that such entries are exported to; it can be verified without the database
    cutting.py     exports and cuts
    __main__.py    `python -m shared.audit keygen | sign | verify | export | verify-export | cut`

The audit log has two safeguards. The chain and the triggers show a change to anyone who reads the log. The signed
checkpoints, kept elsewhere, show it even if someone with every right in the database has recomputed the whole chain.
Entries younger than the last checkpoint have the first safeguard only; a checkpoint is made every minute.
"""
