//! Every call to the outside: guarded HTTP client, mail, pacing, breaker.
