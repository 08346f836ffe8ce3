//! What a person would do after a storm, and the wait until all is well again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_domain::incident::{Incident, is_report};
use forebay_schemas::RewardId;
use forebay_schemas::events::StockChangeKind;
use forebay_store::{By, DeadLetterFilter, IncidentFilter, PAGE_MAX, StockMovement, Store};
use tokio::time::Instant;

use crate::burst::invariants::Invariant;
use crate::burst::mix::{SCARCE_STOCK, Tag};
use crate::commands::people;
use crate::compose::System;
use crate::exit::Exit;

/// How often the incidents are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a line tells what is waited for.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Closes the dead letters of a storm's own installation, adds to what is sold out, and waits until every incident since
/// then is over and people have heard so; says whether they were in time.
pub(crate) async fn until_well(
    system: &System,
    store: &dyn Store,
    since: DateTime<Utc>,
    deadline: Instant,
) -> Result<Invariant, Exit> {
    close_dead_letters(system, store).await?;
    restock(system, store).await?;
    let mut line_at = Instant::now();
    loop {
        let waits = unfinished(store, since).await?;
        let Some(first) = waits.first() else {
            return Ok(well(true, "every incident is over, and people heard so".to_owned()));
        };
        let now = Instant::now();
        if now >= deadline {
            let (count, title) = (waits.len(), &first.raise.title);
            let detail = format!(
                "{count} incidents are open, or people have not heard of their end, e.g. \"{title}\""
            );
            return Ok(well(false, detail));
        }
        if now >= line_at {
            line_at = now + LINE_EVERY;
            people::note(&format!("waits for {} incidents, e.g. \"{}\"", waits.len(), first.raise.title));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn well(holds: bool, detail: String) -> Invariant {
    Invariant { name: "all is well again", holds, detail, lost: 0, doubled: 0 }
}

fn by(system: &System) -> By {
    By { id: system.ids.next(), actor: "storm".to_owned(), reason: "broken on purpose".to_owned() }
}

async fn close_dead_letters(system: &System, store: &dyn Store) -> Result<(), Exit> {
    let (by, all) = (by(system), DeadLetterFilter::default());
    while store.discard(&all, PAGE_MAX, &by, system.clock.now()).await? == PAGE_MAX {}
    Ok(())
}

async fn restock(system: &System, store: &dyn Store) -> Result<(), Exit> {
    let by = by(system);
    let more = StockMovement {
        reward_id: RewardId::new(Tag::own().id("mug")).map_err(Exit::failed)?,
        kind: StockChangeKind::Receive,
        delta: SCARCE_STOCK,
        key: by.id.to_string(),
    };
    store.move_stock(&more, &by, system.clock.now()).await?;
    Ok(())
}

/// The incidents since then that are open, or of whose last change people have not heard.
async fn unfinished(store: &dyn Store, since: DateTime<Utc>) -> Result<Vec<Incident>, Exit> {
    let mut all = store.list_incidents(&IncidentFilter::default(), None, PAGE_MAX).await?;
    all.retain(|incident| {
        let over = incident.resolved_at.is_some() && incident.tell_due_at.is_none();
        incident.last_seen >= since && !is_report(&incident.raise.rule) && !over
    });
    Ok(all)
}
