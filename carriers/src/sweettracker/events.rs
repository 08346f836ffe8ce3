//! The list of what happened to a parcel: read leniently, put in order, each event once.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Asia::Seoul;
use forebay_domain::parcel::{Checkpoint, EventTime};
use forebay_schemas::events::ParcelStatus;

use super::mapping::{self, LEVEL_NOTHING};
use crate::personal::cleaned;
use crate::wire::Object;
use crate::words::is_sent_back;

/// Most checkpoints of one parcel that are kept, the newest ones.
const CHECKPOINTS_MAX: usize = 500;
/// Most characters of the carrier's words, of a place and of a code.
const TEXT_CHARS: usize = 200;
const PLACE_CHARS: usize = 100;
const CODE_CHARS: usize = 40;
/// Epochs outside of 2000 to 2100 are fillers.
const EPOCH_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;
/// Fields that hold people's names. They are read to be taken out of the words, and never kept.
const NAME_FIELDS: &[&str] = &["manName", "senderName", "receiverName", "recipient"];

/// What happened to a parcel.
#[derive(Debug)]
pub(super) struct Events {
    /// Oldest first, each once.
    pub(super) checkpoints: Vec<Checkpoint>,
    /// It was sent back to its sender at some time.
    pub(super) sent_back: bool,
}

#[derive(Debug, Clone)]
struct Event {
    /// Local time in Korea.
    when: Option<NaiveDateTime>,
    checkpoint: Checkpoint,
}

/// Reads the list, and the single events beside it that may be newer.
pub(super) fn read(object: Object<'_>, unmapped: &mut BTreeSet<String>) -> Events {
    let people: Vec<String> = NAME_FIELDS.iter().filter_map(|f| object.text(f)).collect();
    let mut list = Vec::new();
    for value in object.list("trackingDetails") {
        match Object::of(value) {
            Some(event) => list.extend(event_of(event, &people, unmapped)),
            // One bad event costs the others nothing.
            None => {
                unmapped.insert("event".to_owned());
            }
        }
    }
    // Some answers are newest first; reversed, events of one minute keep their order.
    let times: Vec<NaiveDateTime> = list.iter().filter_map(|e| e.when).collect();
    if times.first() > times.last() {
        list.reverse();
    }
    let newest = times.iter().max().copied();
    // The first event is in every list; beside an empty one it may be all there is.
    let first = list.is_empty().then_some("firstDetail");
    for name in first.into_iter().chain(["lastStateDetail", "lastDetail"]) {
        let event = object.value(name).and_then(Object::of).and_then(|e| event_of(e, &people, unmapped));
        list.extend(event.filter(|e| newest.is_none() || e.when > newest));
    }
    let checkpoints = finished(in_order(list));
    let sent_back =
        checkpoints.iter().any(|c| matches!(c.status, ParcelStatus::Returning | ParcelStatus::Returned));
    Events { checkpoints, sent_back }
}

fn event_of(event: Object<'_>, people: &[String], unmapped: &mut BTreeSet<String>) -> Option<Event> {
    let mut names = people.to_vec();
    names.extend(NAME_FIELDS.iter().filter_map(|f| event.text(f)));
    let words = event.text("kind");
    let level = event.integer("level");
    let text = words.as_deref().and_then(|w| cleaned(w, &names, TEXT_CHARS));
    let place = event.text("where").and_then(|w| cleaned(&w, &names, PLACE_CHARS));
    if text.is_none() && place.is_none() && level.is_none() {
        return None;
    }
    let mapped = level.and_then(mapping::status_of_level);
    let stranger = level.filter(|l| *l != LEVEL_NOTHING && mapped.is_none());
    if let Some(level) = stranger {
        unmapped.insert(format!("level:{level}"));
    }
    let status = match (words.as_deref().is_some_and(is_sent_back), mapped) {
        (true, Some(ParcelStatus::Delivered)) => ParcelStatus::Returned,
        (true, _) => ParcelStatus::Returning,
        (false, mapped) => mapped.unwrap_or(ParcelStatus::Unknown),
    };
    let code = event.text("code").and_then(|c| cleaned(&c, &names, CODE_CHARS));
    let raw_code = code.or_else(|| stranger.map(|l| format!("level-{l}")));
    let (at, when) = time_of(event);
    Some(Event { when, checkpoint: Checkpoint { at, status, raw_code, text, place } })
}

/// The epoch if it is one, else the local time of Korea (which has had no summer time since 1988).
fn time_of(event: Object<'_>) -> (EventTime, Option<NaiveDateTime>) {
    let epoch = event.integer("time").filter(|ms| EPOCH_MS.contains(ms));
    if let Some(at) = epoch.and_then(DateTime::from_timestamp_millis) {
        return (EventTime::Exact(at), Some(at.with_timezone(&Seoul).naive_local()));
    }
    let Some(text) = event.text("timeString") else { return (EventTime::Missing, None) };
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f"];
    if let Some(local) = formats.iter().find_map(|f| NaiveDateTime::parse_from_str(&text, f).ok()) {
        let exact = Seoul.from_local_datetime(&local).earliest().map(|at| at.with_timezone(&Utc));
        return (exact.map_or(EventTime::Local(local), EventTime::Exact), Some(local));
    }
    match NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        Ok(day) => (EventTime::Date(day), Some(day.and_time(NaiveTime::MIN))),
        Err(_) => (EventTime::Missing, None),
    }
}

/// By time; an event without one stays behind the one before it.
fn in_order(list: Vec<Event>) -> Vec<Event> {
    let mut last = None;
    let mut keyed: Vec<(Option<NaiveDateTime>, Event)> = list
        .into_iter()
        .map(|event| {
            last = event.when.or(last);
            (last, event)
        })
        .collect();
    keyed.sort_by_key(|(when, _)| *when);
    keyed.into_iter().map(|(_, event)| event).collect()
}

/// Without fillers and repetitions.
fn finished(list: Vec<Event>) -> Vec<Checkpoint> {
    let delivered: BTreeSet<NaiveDate> = list
        .iter()
        .filter(|e| e.checkpoint.status == ParcelStatus::Delivered && !is_filler(e))
        .filter_map(|e| e.when.map(|w| w.date()))
        .collect();
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for mut event in list {
        if let Some(day) = event.when.map(|w| w.date()).filter(|_| is_filler(&event)) {
            if event.checkpoint.status == ParcelStatus::Delivered && delivered.contains(&day) {
                continue;
            }
            event.checkpoint.at = EventTime::Date(day);
        }
        if seen.insert(event.checkpoint.key()) {
            out.push(event.checkpoint);
        }
    }
    out.split_off(out.len().saturating_sub(CHECKPOINTS_MAX))
}

/// A carrier that knows the day alone says 23:59:59.
fn is_filler(event: &Event) -> bool {
    event.when.is_some_and(|w| (w.hour(), w.minute(), w.second()) == (23, 59, 59))
}
