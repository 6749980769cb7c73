"""Who may spend, and what was spent.

    keys.py       who is asking: one credential, found by its digest
    loopback.py   who may ask without a key
    ledger.py     what happened and what it cost; whose rows are whose

Policy only: rows are the store's business, and time and randomness are passed in.
"""
