"""The audit log: who did what to which record, on whose behalf, and how it ended. Written once, never changed.

    entry.py       what an entry says, and the bytes that are hashed
    policy.py      the inbound policy: which requests become entries, and when
    writer.py      entries on their way: group commit for financial ones, batches for the rest
    log.py         the log in PostgreSQL, which only ever grows
    merkle.py      RFC 6962: the hash of a whole log
    chain.py       finds every edit, deletion, reordering and truncation
    note.py        C2SP signed notes (Ed25519)
    checkpoint.py  C2SP tlog-checkpoints: the state of a log, signed
    signer.py      exports checkpoints to where the database's administrators cannot reach
    cut.py         where a log begins whose older entries were exported and deleted
    export.py      the file that such entries go to, which verifies alone
    cutting.py     exports and cuts
    __main__.py    `python -m shared.audit keygen | sign | verify | export | verify-export | cut`

Two promises stand behind each other. The chain and the triggers make a change visible to anyone who reads the log; the
signed checkpoints, kept elsewhere, make it visible even if someone with every right in the database has recomputed the
whole chain. What came after the last checkpoint has only the first promise: they are made every minute.
"""
