//! The burst: 45 % check-ins, 30 % claims, 15 % orders, 10 % returns, with some repeats and some poison among them,
//! the same for the same seed.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_schemas::{Code, EventType, ProgrammeId, RewardId, RuleId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::exit::Exit;

/// Who sends the burst.
const SOURCE: &str = "/shops/demo";
/// The stock of the scarce reward.
pub(crate) const SCARCE_STOCK: i64 = 50;
/// One event in so many is sent twice.
const REPEAT_EVERY: usize = 100;
/// One event in so many is poison.
const POISON_EVERY: usize = 500;
/// The numbers of a flood lie above those of a burst.
const FLOODED_FROM: usize = 10_000_000;
/// Orders are paid by so many members for one.
const BUYERS: usize = 1_000;

/// What an accepted event must leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Leaves {
    /// One attendance row.
    Attendance,
    /// One settled claim.
    Claim,
    /// One booked order.
    Order,
    /// One return, tracked, and its result at the shop once.
    Return,
    /// One dead letter of this code.
    DeadLetter(Code),
}

/// One event of the burst.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Its id; with one source, its identity.
    pub(crate) id: String,
    /// The envelope.
    pub(crate) body: String,
    /// What it must leave behind.
    pub(crate) leaves: Leaves,
    /// For a return: its id.
    pub(crate) return_id: Option<String>,
}

/// A message that a shop's program with a fault publishes straight to the queues, past the intake.
#[derive(Debug, Clone)]
pub(crate) struct Straight {
    /// The message's id.
    pub(crate) id: String,
    /// The type by which it is routed.
    pub(crate) kind: String,
    /// Its bytes.
    pub(crate) body: Vec<u8>,
    /// The code under which it must die.
    pub(crate) code: Code,
}

/// A whole burst.
#[derive(Debug)]
pub(crate) struct Burst {
    /// Through the intake, in this order.
    pub(crate) events: Vec<Planned>,
    /// Straight to the queues.
    pub(crate) straight: Vec<Straight>,
}

/// Begins every id of a burst, so that it is told from all else that goes through an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// For an installation that is the burst's own: ids are short.
    pub(crate) fn own() -> Self {
        Self(String::new())
    }

    /// For an installation that others use, too.
    pub(crate) fn of_run(run: Uuid) -> Self {
        Self(format!("storm-{}-", run.simple()))
    }

    /// This id is one of the burst's.
    pub(crate) fn marks(&self, id: &str) -> bool {
        id.starts_with(&self.0)
    }

    pub(crate) fn id(&self, rest: impl std::fmt::Display) -> String {
        format!("{}{rest}", self.0)
    }

    /// Tracking numbers differ, too, as far as nine digits can; the first three tell the sandbox the parcel's story.
    fn tracking_number(&self, begin: &str, n: usize) -> String {
        let from: u64 = self.0.bytes().fold(0, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 1_000_000_000);
        format!("{begin}{:09}", (from + n as u64) % 1_000_000_000)
    }
}

/// The programme that the burst plays in: one check-in earns points, or one of a scarce few mugs.
pub(crate) fn programme(now: DateTime<Utc>, tag: &Tag) -> Result<Programme, Exit> {
    let reward = |id: &str, name: &str, kind, stock| -> Result<Reward, Exit> {
        let id = RewardId::new(tag.id(id)).map_err(Exit::failed)?;
        Ok(Reward { id, name: name.to_owned(), kind, stock })
    };
    let rule = |id: &str, reward| -> Result<Rule, Exit> {
        let id = RuleId::new(id).map_err(Exit::failed)?;
        Ok(Rule::new(id, reward, 1))
    };
    let today = now.date_naive();
    let points = reward("points-500", "500 points", RewardKind::Points { points: 500 }, None)?;
    let stock = StockPlan { total: SCARCE_STOCK, low_at: SCARCE_STOCK / 5 };
    let mug = reward("mug", "A mug", RewardKind::Product { sku: "MUG-1".to_owned() }, Some(stock))?;
    Ok(Programme {
        id: ProgrammeId::new(tag.id("demo")).map_err(Exit::failed)?,
        name: "Demo".to_owned(),
        tz: chrono_tz::Tz::UTC,
        day_start_min: 0,
        count_mode: CountMode::Total,
        grace_days: 0,
        starts_on: today - Duration::days(1),
        ends_on: today + Duration::days(30),
        claim_until: now + Duration::days(60),
        state: ProgrammeState::Active,
        points_per_1000_minor: 10,
        points_valid_days: None,
        active_until: None,
        rules: vec![rule("points", points)?, rule("mug", mug)?],
    })
}

/// What a burst is made of.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// Events, without the repeats.
    pub(crate) count: usize,
    /// The same seed is the same burst.
    pub(crate) seed: u64,
    /// Begins every id.
    pub(crate) tag: Tag,
    /// With returns, whose parcels are asked about and whose results are sent; without, check-ins take their place.
    pub(crate) returns: bool,
}

impl Recipe {
    /// A whole burst, for an installation of its own.
    pub(crate) fn own(count: usize, seed: u64) -> Self {
        Self { count, seed, tag: Tag::own(), returns: true }
    }
}

/// Plans a burst.
pub(crate) fn plan(recipe: &Recipe, now: DateTime<Utc>) -> Burst {
    let Recipe { count, seed, tag, .. } = recipe;
    let mut random = StdRng::seed_from_u64(*seed);
    let claims = count * 30 / 100;
    let orders = count * 15 / 100;
    let returns = if recipe.returns { count - count * 45 / 100 - claims - orders } else { 0 };
    let check_ins = count - claims - orders - returns;
    let mut kinds: Vec<Leaves> =
        [vec![Leaves::Attendance; check_ins], vec![Leaves::Order; orders], vec![Leaves::Return; returns]]
            .concat();
    shuffle(&mut kinds, &mut random);
    // Members check in before they claim, as people do; the claims lie in the last two thirds of the burst.
    let first = kinds.len() / 3;
    let mut late: Vec<Leaves> = kinds.split_off(first);
    late.extend(vec![Leaves::Claim; claims]);
    shuffle(&mut late, &mut random);
    kinds.extend(late);
    let mut counts: BTreeMap<Leaves, usize> = BTreeMap::new();
    let mut events = Vec::with_capacity(kinds.len() + kinds.len() / REPEAT_EVERY + 1);
    for leaves in kinds {
        let n = counts.entry(leaves).or_default();
        events.push(event(leaves, *n, &mut random, now, tag));
        *n += 1;
    }
    repeat(&mut events, &mut random);
    let straight = poison(&mut events, *count, now, tag);
    Burst { events, straight }
}

fn shuffle<T>(items: &mut [T], random: &mut StdRng) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.random_range(0..=i));
    }
}

fn event(leaves: Leaves, n: usize, random: &mut StdRng, now: DateTime<Utc>, tag: &Tag) -> Planned {
    let programme = tag.id("demo");
    let at = now.to_rfc3339();
    let (kind, data, return_id) = match leaves {
        Leaves::Attendance => (
            EventType::CheckInRequested,
            json!({ "programme_id": programme, "member_id": tag.id(format!("m-{n}")) }),
            None,
        ),
        Leaves::Claim => {
            let rule = if random.random_range(0..5) == 0 { "mug" } else { "points" };
            // Unlike all else a claim's id is a UUID: it can't bear the tag, so it comes from it.
            let claim_id = Uuid::new_v5(&Uuid::from_u128(random.random()), programme.as_bytes());
            let data = json!({
                "claim_id": claim_id,
                "programme_id": programme,
                "rule_id": rule,
                "member_id": tag.id(format!("m-{n}")),
            });
            (EventType::ClaimRequested, data, None)
        }
        Leaves::Order => {
            let data = json!({
                "order_id": tag.id(format!("O-{n}")),
                "member_id": tag.id(format!("m-{}", n % BUYERS)),
                "currency": "KRW",
                "amount_minor": random.random_range(1_000..200_000),
                "paid_at": at,
            });
            (EventType::OrderPaid, data, None)
        }
        Leaves::Return | Leaves::DeadLetter(_) => {
            let return_id = tag.id(format!("R-{n}"));
            let data = json!({
                "return_id": return_id,
                "order_id": tag.id(format!("RO-{n}")),
                "requested_at": at,
                "parcel": { "carrier": "cj", "tracking_number": tag.tracking_number("600", n) },
            });
            (EventType::ReturnRequested, data, Some(return_id))
        }
    };
    let id = tag.id(format!("{}-{n}", kind.name()));
    Planned { body: envelope(&id, kind.name(), &data), id, leaves, return_id }
}

fn envelope(id: &str, kind: &str, data: &Value) -> String {
    json!({ "specversion": "1.0", "id": id, "source": SOURCE, "type": kind, "data": data }).to_string()
}

/// Sends some events twice, the second time somewhere later in the burst.
fn repeat(events: &mut Vec<Planned>, random: &mut StdRng) {
    let count = events.len();
    for i in (0..count).step_by(REPEAT_EVERY) {
        let again = events[i].clone();
        let place = random.random_range(i + 1..=events.len());
        events.insert(place, again);
    }
}

/// Strews poison: what the intake takes and a handler can't, and what never saw the intake.
fn poison(events: &mut Vec<Planned>, count: usize, now: DateTime<Utc>, tag: &Tag) -> Vec<Straight> {
    let each = (count / POISON_EVERY / 5).max(1);
    let mut straight = Vec::new();
    for n in 0..each {
        events.push(unknown_carrier(n, now, tag));
        let (first, reused) = reused_id(n, now, tag);
        events.insert(0, first);
        events.push(reused);
        straight.push(Straight {
            id: tag.id(format!("garbage-{n}")),
            kind: EventType::ReturnRequested.name().to_owned(),
            body: vec![0xff, 0x00, b'{', u8::try_from(n % 256).unwrap_or_default()],
            code: Code::Undecodable,
        });
        let id = tag.id(format!("half-{n}"));
        let half = envelope(&id, EventType::OrderPaid.name(), &json!({ "order_id": format!("H-{n}") }));
        let kind = EventType::OrderPaid.name().to_owned();
        straight.push(Straight { id, kind, body: half.into_bytes(), code: Code::SchemaInvalid });
        let id = tag.id(format!("foreign-{n}"));
        let foreign = envelope(&id, "cart.abandoned.v1", &json!({ "cart": n }));
        let kind = "cart.abandoned.v1".to_owned();
        straight.push(Straight { id, kind, body: foreign.into_bytes(), code: Code::UnknownType });
    }
    straight
}

/// So many messages that the intake takes and no handler can, of one cause; the first is number `first`.
pub(crate) fn flood(first: usize, count: usize, now: DateTime<Utc>, tag: &Tag) -> Vec<Planned> {
    (first..first + count).map(|n| unknown_carrier(FLOODED_FROM + n, now, tag)).collect()
}

fn unknown_carrier(n: usize, now: DateTime<Utc>, tag: &Tag) -> Planned {
    let id = tag.id(format!("unknown-carrier-{n}"));
    let data = json!({
        "return_id": tag.id(format!("RX-{n}")),
        "order_id": tag.id(format!("ROX-{n}")),
        "requested_at": now.to_rfc3339(),
        "parcel": { "carrier": "nobody", "tracking_number": tag.tracking_number("777", n) },
    });
    let body = envelope(&id, EventType::ReturnRequested.name(), &data);
    Planned { id, body, leaves: Leaves::DeadLetter(Code::Rejected), return_id: None }
}

/// An order, and another one under the same identity: the first counts, the second dies.
fn reused_id(n: usize, now: DateTime<Utc>, tag: &Tag) -> (Planned, Planned) {
    let id = tag.id(format!("reused-{n}"));
    let body = |order: String| {
        let data = json!({
            "order_id": order, "currency": "KRW", "amount_minor": 1_000, "paid_at": now.to_rfc3339(),
        });
        envelope(&id, EventType::OrderPaid.name(), &data)
    };
    let first = Planned {
        id: id.clone(),
        body: body(tag.id(format!("first-{n}"))),
        leaves: Leaves::Order,
        return_id: None,
    };
    let second = Planned {
        id: id.clone(),
        body: body(tag.id(format!("second-{n}"))),
        leaves: Leaves::DeadLetter(Code::IdReused),
        return_id: None,
    };
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_schemas::Catalogue;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).unwrap()
    }

    #[test]
    fn the_same_seed_is_the_same_burst_and_another_seed_another() {
        let bodies = |seed| {
            let burst = plan(&Recipe::own(1_000, seed), now());
            burst.events.into_iter().map(|e| e.body).collect::<Vec<_>>()
        };
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
    }

    #[test]
    fn the_intake_takes_every_event_of_a_burst() {
        let catalogue = Catalogue::new();
        for event in plan(&Recipe { tag: Tag::of_run(Uuid::nil()), ..Recipe::own(1_000, 7) }, now()).events {
            catalogue
                .decode(event.body.as_bytes())
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", event.body));
        }
    }

    #[test]
    fn the_mix_is_as_promised() {
        let burst = plan(&Recipe::own(30_000, 1), now());
        let distinct: std::collections::BTreeSet<(&str, Leaves)> =
            burst.events.iter().map(|e| (e.id.as_str(), e.leaves)).collect();
        let count = |leaves| distinct.iter().filter(|(_, l)| *l == leaves).count();
        assert_eq!(count(Leaves::Attendance), 13_500);
        assert_eq!(count(Leaves::Claim), 9_000);
        assert_eq!(count(Leaves::Return), 3_000);
        assert_eq!(count(Leaves::Order), 4_500 + 12, "and those whose identity is used again");
        assert!(burst.events.len() > distinct.len() + 250, "some are sent twice");
        assert_eq!(burst.straight.len(), 36);
    }

    #[test]
    fn every_id_of_a_run_bears_its_tag_and_a_burst_without_returns_has_none() {
        let tag = Tag::of_run(Uuid::from_u128(7));
        let recipe = Recipe { tag: tag.clone(), returns: false, ..Recipe::own(1_000, 7) };
        let burst = plan(&recipe, now());
        assert!(burst.events.iter().all(|e| tag.marks(&e.id) && e.leaves != Leaves::Return));
        assert!(programme(now(), &tag).unwrap().rules.iter().all(|rule| tag.marks(rule.reward.id.as_str())));
        let ours = plan(&Recipe::own(1_000, 7), now());
        assert!(!ours.events.iter().any(|e| tag.marks(&e.id)));
    }
}
