-- Tokens that outside systems gave us, so that the fleet needs one of each. Whoever has the lease fetches.
create table outside_token (
    key text not null primary key,
    token text,
    refresh_at integer,
    expires_at integer,
    lease_until integer,
    check ((token is null) = (refresh_at is null) and (token is null) = (expires_at is null))
) strict, without rowid;
