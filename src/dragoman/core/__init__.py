"""The core values every dialect, provider and account is written against.

No I/O, no clock, no configuration, no logging: only frozen values and the laws between them.

    Request   what a client asks            request.py
    Event     an answer being written       events.py
    Usage     what it consumed, and money   usage.py
    Failure   the one exception             failure.py

Every value may carry :class:`~dragoman.core.extras.Extras`: wire fields its own dialect knows and
the core does not. Extras go home only: a codec writes them back iff it is the dialect that read them.
"""
