-- The fleet as people steer it.

-- A worker that was heard of. `queues` is JSON: what it works on, and how much of it is in its hands. `drain_at` and
-- what follows say that it is to take no more.
create table worker (
    id uuid primary key,
    host text not null,
    version text not null,
    role text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    state text not null check (state in ('running', 'draining', 'drained')),
    queues text not null,
    drain_at timestamptz,
    drain_actor text,
    drain_reason text,
    check ((drain_at is null) = (drain_actor is null) and (drain_at is null) = (drain_reason is null))
) with (fillfactor = 50);

-- A queue that every worker leaves alone, until then or until somebody resumes it.
create table paused_queue (
    queue text collate "C" primary key,
    since timestamptz not null,
    until timestamptz,
    actor text not null,
    reason text not null
);
