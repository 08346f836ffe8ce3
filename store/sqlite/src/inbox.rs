//! The inbox of one set of messages.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use forebay_schemas::Digest;
use forebay_store::{Handled, Identity, Triage, triage};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::rows::{Reading, hex_bytes, json, micros, unreadable};

/// Sorts a set by what the inbox holds.
pub(crate) async fn sorted(
    conn: &mut SqliteConnection,
    identities: &[&Identity],
) -> Result<Vec<Triage>, Fault> {
    let keys: Vec<_> = identities.iter().map(|i| (i.consumer, &i.source, &i.id)).collect();
    let rows = sqlx::query(
        "select i.source, i.id, i.digest from json_each(?1) n cross join inbox i
         on i.consumer = n.value ->> 0 and i.source = n.value ->> 1 and i.id = n.value ->> 2",
    )
    .bind(json(&keys)?)
    .fetch_all(conn)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = Reading::of("inbox", row);
        let digest =
            row.get::<&[u8]>("digest")?.try_into().map_err(|error| unreadable("inbox", "digest", error))?;
        known.insert((row.get("source")?, row.get("id")?), Digest(digest));
    }
    Ok(triage(identities.iter().copied(), &known))
}

/// What became of a set: `outcome` tells it of the new ones, by their place. A repeat, within the set, of what is not
/// known yet was not handled before either.
pub(crate) fn handled(
    identities: &[&Identity],
    triaged: &[Triage],
    mut outcome: impl FnMut(usize) -> Handled,
) -> Vec<Handled> {
    let mut left = HashSet::new();
    identities
        .iter()
        .zip(triaged)
        .enumerate()
        .map(|(index, (identity, triage))| {
            let key = (identity.source.as_str(), identity.id.as_str());
            match triage {
                Triage::New => {
                    let outcome = outcome(index);
                    if outcome == Handled::NotYetKnown {
                        left.insert(key);
                    }
                    outcome
                }
                _ if left.contains(&key) => Handled::NotYetKnown,
                Triage::Duplicate => Handled::Duplicate,
                Triage::Reused => Handled::Reused,
            }
        })
        .collect()
}

/// Writes the inbox rows of what was handled.
pub(crate) async fn write(
    conn: &mut SqliteConnection,
    identities: &[&Identity],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    if identities.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        identities.iter().map(|i| (i.consumer, &i.source, &i.id, hex_bytes(&i.digest.0))).collect();
    sqlx::query(
        "insert into inbox (consumer, source, id, digest, handled_at)
         select value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), ?2 from json_each(?1)",
    )
    .bind(json(&rows)?)
    .bind(micros(now))
    .execute(conn)
    .await?;
    Ok(())
}
