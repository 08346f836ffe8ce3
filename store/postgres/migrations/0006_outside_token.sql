-- Tokens that outside systems gave us, so that the fleet needs one of each. Whoever has the lease fetches.
create table outside_token (
    key text collate "C" primary key,
    token text,
    refresh_at timestamptz,
    expires_at timestamptz,
    lease_until timestamptz,
    check ((token is null) = (refresh_at is null) and (token is null) = (expires_at is null))
) with (fillfactor = 50);
