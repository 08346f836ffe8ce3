-- The fleet as people steer it.

-- A worker that was heard of. `queues` is JSON: what it works on, and how much of it is in its hands. `drain_at` and
-- what follows say that it is to take no more.
create table worker (
    id blob not null primary key check (length(id) = 16),
    host text not null,
    version text not null,
    role text not null,
    started_at integer not null,
    seen_at integer not null,
    state text not null check (state in ('running', 'draining', 'drained')),
    queues text not null,
    drain_at integer,
    drain_actor text,
    drain_reason text,
    check ((drain_at is null) = (drain_actor is null) and (drain_at is null) = (drain_reason is null))
) strict, without rowid;
create index worker_seen on worker (seen_at);

-- A queue that every worker leaves alone, until then or until somebody resumes it.
create table paused_queue (
    queue text not null primary key,
    since integer not null,
    until integer,
    actor text not null,
    reason text not null
) strict, without rowid;
