//! The inbox of one set of messages.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use forebay_schemas::Digest;
use forebay_store::{Error, Handled, Identity, Triage, triage};
use sqlx::PgConnection;

use crate::error::Stop;
use crate::rows::read;

/// Sorts a set by what the inbox holds.
pub(crate) async fn sorted(conn: &mut PgConnection, identities: &[&Identity]) -> Result<Vec<Triage>, Stop> {
    let (consumers, sources, ids) = columns(identities);
    let rows: Vec<(String, String, String, Vec<u8>)> = sqlx::query_as(
        "select n.consumer, n.source, n.id, i.digest
         from unnest($1::text[], $2::text[], $3::text[]) as n (consumer, source, id), lateral (
            select digest from inbox where consumer = n.consumer and source = n.source and id = n.id offset 0
         ) i",
    )
    .bind(consumers)
    .bind(sources)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for (_, source, id, digest) in rows {
        let digest = read("inbox", "digest", digest.try_into().map_err(|_| "not 32 bytes"))?;
        known.insert((source, id), Digest(digest));
    }
    Ok(triage(identities.iter().copied(), &known))
}

/// What became of a set, given what became of each of its new messages, in their order. What repeats, within the
/// set, a message that is not yet known was not handled either.
pub(crate) fn handled(
    identities: &[&Identity],
    triaged: &[Triage],
    new: impl IntoIterator<Item = Handled>,
) -> Vec<Handled> {
    let mut new = new.into_iter();
    let mut unknown: HashSet<(&str, &str)> = HashSet::new();
    let each = identities.iter().zip(triaged).map(|(identity, triage)| {
        let key = (identity.source.as_str(), identity.id.as_str());
        match triage {
            Triage::New => {
                let outcome = new.next().unwrap_or(Handled::Done);
                if outcome == Handled::NotYetKnown {
                    unknown.insert(key);
                }
                outcome
            }
            _ if unknown.contains(&key) => Handled::NotYetKnown,
            Triage::Duplicate => Handled::Duplicate,
            Triage::Reused => Handled::Reused,
        }
    });
    each.collect()
}

/// Writes the inbox rows of what was handled. When one is there by now, another worker has handled it meanwhile.
pub(crate) async fn write(
    conn: &mut PgConnection,
    identities: &[&Identity],
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    if identities.is_empty() {
        return Ok(());
    }
    // One order for every worker, so that two of them wait for each other in one direction only.
    let mut identities = identities.to_vec();
    identities.sort_by(|a, b| (a.consumer, &a.source, &a.id).cmp(&(b.consumer, &b.source, &b.id)));
    let (consumers, sources, ids) = columns(&identities);
    let digests: Vec<&[u8]> = identities.iter().map(|i| i.digest.0.as_slice()).collect();
    let written = sqlx::query(
        "insert into inbox (consumer, source, id, digest, handled_at)
         select n.consumer, n.source, n.id, n.digest, $5
         from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as n (consumer, source, id, digest)
         on conflict do nothing",
    )
    .bind(consumers)
    .bind(sources)
    .bind(ids)
    .bind(digests)
    .bind(now)
    .execute(conn)
    .await?
    .rows_affected();
    if written < identities.len() as u64 {
        return Err(Stop::Conflict(Error::Unavailable(
            "a message of the set was handled meanwhile".to_owned(),
        )));
    }
    Ok(())
}

type Columns<'i> = (Vec<&'i str>, Vec<&'i str>, Vec<&'i str>);

fn columns<'i>(identities: &[&'i Identity]) -> Columns<'i> {
    (
        identities.iter().map(|i| i.consumer).collect(),
        identities.iter().map(|i| i.source.as_str()).collect(),
        identities.iter().map(|i| i.id.as_str()).collect(),
    )
}
