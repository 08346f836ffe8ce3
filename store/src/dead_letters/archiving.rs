//! What archiving a set changes: decided here, once, for both stores.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use forebay_domain::Ids;
use forebay_domain::dead_letter::masked;
use forebay_domain::incident::Raise;
use forebay_schemas::trail::bounded;
use forebay_schemas::{Code, Queue};
use uuid::Uuid;

use super::Archived;
use super::letter::{Death, NewDeadLetter, Status};

/// Most earlier deaths that a letter remembers.
const HISTORY_MAX: usize = 20;
/// Most bytes of the error of an earlier death.
const HISTORY_ERROR_BYTES: usize = 300;

/// What the store holds of a letter that a set may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: Uuid,
    /// Its message.
    pub key: [u8; 32],
    /// Its queue.
    pub queue: String,
    /// Its last copy.
    pub copy: [u8; 32],
    /// Its group.
    pub fingerprint: String,
    /// What became of it.
    pub status: Status,
    /// How often it was replayed.
    pub replays: u32,
    /// The replay that it was last part of.
    pub replay_id: Option<Uuid>,
    /// How often it died.
    pub deaths: u32,
    /// Its last death.
    pub death: Death,
    /// The deaths before that.
    pub history: Vec<Death>,
}

/// A letter as it is to be kept; its status is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: Uuid,
    /// It is not in the store yet.
    pub fresh: bool,
    /// Its last death.
    pub letter: NewDeadLetter,
    /// How often it died.
    pub deaths: u32,
    /// The deaths before the last one.
    pub history: Vec<Death>,
}

/// What happens to a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupChange {
    /// Added to its counts of open, replaying, resolved and discarded letters.
    pub delta: [i64; 4],
    /// When letters of it died: what the group is.
    pub died: Option<GroupSaid>,
}

/// What a group's letters have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSaid {
    /// Why they died.
    pub code: Code,
    /// The queue that they died in.
    pub queue: String,
    /// Their type.
    pub kind: String,
    /// The error of one of them.
    pub sample_error: String,
    /// The error as it is searched: masked, in lower case.
    pub masked: String,
}

impl GroupChange {
    /// A letter of the group goes from one state, if it was there, to another.
    pub fn step(&mut self, from: Option<Status>, to: Status) {
        if let Some(from) = from {
            self.delta[from as usize] -= 1;
        }
        self.delta[to as usize] += 1;
    }
}

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub struct Archiving {
    /// Letters that are new or died again, each once, in the order of their keys.
    pub kept: Vec<Kept>,
    /// Letters that are resolved because their message got further and died elsewhere.
    pub moved: Vec<Uuid>,
    /// Changes of groups.
    pub groups: BTreeMap<String, GroupChange>,
    /// Failures by replay.
    pub failed: BTreeMap<Uuid, u64>,
    /// What people are told.
    pub raises: Vec<Raise>,
    /// What it comes to.
    pub archived: Archived,
}

impl Archiving {
    /// Archives these letters on top of what is known: the letters of their keys and queues, and those that they were
    /// replayed from.
    #[must_use]
    pub fn of(known: Vec<Known>, letters: Vec<NewDeadLetter>, ids: &dyn Ids, now: DateTime<Utc>) -> Self {
        let mut set = Set { known: HashMap::new(), origins: HashMap::new(), plan: Self::default() };
        for known in known {
            set.origins.insert(known.id, (known.key, known.queue.clone()));
            set.known.insert((known.key, known.queue.clone()), (known, None));
        }
        for letter in letters {
            set.add(letter, ids, now);
        }
        set.end()
    }
}

type Place = ([u8; 32], String);

struct Set {
    /// What is known, and what becomes of it.
    known: HashMap<Place, (Known, Option<Kept>)>,
    origins: HashMap<Uuid, Place>,
    plan: Archiving,
}

impl Set {
    fn add(&mut self, letter: NewDeadLetter, ids: &dyn Ids, now: DateTime<Utc>) {
        let place = (letter.key, letter.queue.clone());
        if let Some((known, _)) = self.known.get(&place) {
            let stale = known.status == Status::Replaying && letter.replay < known.replays;
            if known.copy == letter.copy || stale {
                return;
            }
        }
        self.leave_origin(&letter, &place);
        self.raise(&letter);
        self.plan.archived.replayed += u32::from(letter.replay > 0);
        match self.known.remove(&place) {
            Some((known, kept)) => self.again(place, known, kept, letter, now),
            None => self.first(place, letter, ids.next(), now),
        }
    }

    fn first(&mut self, place: Place, letter: NewDeadLetter, id: Uuid, now: DateTime<Utc>) {
        self.plan.archived.new += 1;
        self.count(&letter);
        let known = Known {
            id,
            key: letter.key,
            queue: letter.queue.clone(),
            copy: letter.copy,
            fingerprint: letter.fingerprint(),
            status: Status::Open,
            replays: letter.replay,
            replay_id: None,
            deaths: 1,
            death: death(&letter, now),
            history: Vec::new(),
        };
        let kept = Kept { id, fresh: true, letter, deaths: 1, history: Vec::new() };
        self.known.insert(place, (known, Some(kept)));
    }

    fn again(
        &mut self,
        place: Place,
        mut known: Known,
        kept: Option<Kept>,
        letter: NewDeadLetter,
        now: DateTime<Utc>,
    ) {
        self.plan.archived.again += 1;
        if known.status == Status::Replaying
            && let Some(replay) = known.replay_id
        {
            *self.plan.failed.entry(replay).or_default() += 1;
        }
        self.group(&known.fingerprint).delta[known.status as usize] -= 1;
        self.count(&letter);
        let earlier = Death { error: bounded(&known.death.error, HISTORY_ERROR_BYTES), ..known.death };
        known.history.push(earlier);
        if known.history.len() > HISTORY_MAX {
            known.history.remove(0);
        }
        known.status = Status::Open;
        known.copy = letter.copy;
        known.fingerprint = letter.fingerprint();
        known.deaths += 1;
        known.death = death(&letter, now);
        let fresh = kept.is_some_and(|kept| kept.fresh);
        let (deaths, history) = (known.deaths, known.history.clone());
        let kept = Kept { id: known.id, fresh, letter, deaths, history };
        self.known.insert(place, (known, Some(kept)));
    }

    /// A message that was replayed from another queue got that far: the letter there is done with, and its replay has
    /// failed all the same.
    fn leave_origin(&mut self, letter: &NewDeadLetter, place: &Place) {
        let Some(origin) = letter.letter.and_then(|id| self.origins.get(&id)) else { return };
        if origin == place || origin.0 != letter.key {
            return;
        }
        let Some((known, _)) = self.known.get_mut(origin) else { return };
        if known.status != Status::Replaying || known.replays != letter.replay {
            return;
        }
        known.status = Status::Resolved;
        let (id, fingerprint, replay) = (known.id, known.fingerprint.clone(), known.replay_id);
        self.plan.moved.push(id);
        self.group(&fingerprint).step(Some(Status::Replaying), Status::Resolved);
        if let Some(replay) = replay {
            *self.plan.failed.entry(replay).or_default() += 1;
        }
    }

    fn raise(&mut self, letter: &NewDeadLetter) {
        // What could not be told can't be told that way either; Prometheus tells of it.
        if letter.queue == Queue::Notices.to_string() {
            return;
        }
        let raise = letter.incident(1);
        match self.plan.raises.iter_mut().find(|r| r.fingerprint == raise.fingerprint) {
            Some(raised) => raised.count += 1,
            None => self.plan.raises.push(raise),
        }
    }

    fn count(&mut self, letter: &NewDeadLetter) {
        let group = self.group(&letter.fingerprint());
        group.step(None, Status::Open);
        group.died.get_or_insert_with(|| GroupSaid {
            code: letter.code,
            queue: letter.queue.clone(),
            kind: letter.kind.clone(),
            sample_error: letter.error.clone(),
            masked: masked(&letter.error).to_lowercase(),
        });
    }

    fn group(&mut self, fingerprint: &str) -> &mut GroupChange {
        self.plan.groups.entry(fingerprint.to_owned()).or_default()
    }

    fn end(mut self) -> Archiving {
        self.plan.kept = self.known.into_values().filter_map(|(_, kept)| kept).collect();
        self.plan.kept.sort_by(|a, b| (a.letter.key, &a.letter.queue).cmp(&(b.letter.key, &b.letter.queue)));
        self.plan.moved.sort();
        self.plan
    }
}

fn death(letter: &NewDeadLetter, at: DateTime<Utc>) -> Death {
    Death {
        at,
        code: letter.code,
        error: letter.error.clone(),
        attempts: letter.attempts,
        replay: letter.replay,
    }
}
