"""What several machines share in a moment: limits, recorded answers, word of what changed.

    wire.py        one connection to Redis, as this package sees it
    driver.py      the same, made of redis-py: the only module that imports it
    breaker.py     when to stop asking a server that does not answer, and when to try again     pure
    link.py        every call of a process: by its deadline, or not at all
    counters.py    how often each key asked, counted for all machines in one script
    recordings.py  recorded answers, found by every machine
    peers.py       how many processes there are
    news.py        "look again", "this key is revoked"

Nothing in Redis is the truth of anything: it may be emptied, restarted or away at any time. What then holds
is told in docs/redis.md. redis-py is an extra; without it, and without ``redis.url``, nothing here is used.
"""
