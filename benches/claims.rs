//! Claims on one hot reward: the programme, the members who may claim, and the messages.

use chrono::Duration;
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_domain::settlement::Ask;
use forebay_domain::{Clock as _, Ids as _, RandomIds, SystemClock};
use forebay_queue::{Message, Outgoing};
use forebay_schemas::events::{CheckInRequested, ClaimRequested};
use forebay_schemas::{Digest, Event, EventType, MemberId, ProgrammeId, RewardId, Route, RuleId};
use forebay_store::{Handled, Identity, RewardMessage, Store};

use crate::back_ends::Set;

const PROGRAMME: &str = "autumn";
pub(crate) const RULE: &str = "mug";
pub(crate) const REWARD: &str = "mug";
/// More than all rounds claim.
const STOCK: i64 = 100_000_000;
/// What is published or settled at once while a round is prepared.
const CHUNK: usize = 500;

/// A programme in which one check-in earns a mug.
pub(crate) async fn open_programme(store: &dyn Store) {
    let now = SystemClock.now();
    let stock = StockPlan { total: STOCK, low_at: 0 };
    let reward = Reward {
        id: RewardId::new(REWARD).unwrap(),
        name: "A mug".to_owned(),
        kind: RewardKind::Product { sku: "MUG-1".to_owned() },
        stock: Some(stock),
    };
    let rule = Rule::new(RuleId::new(RULE).unwrap(), reward, 1);
    let programme = Programme {
        id: ProgrammeId::new(PROGRAMME).unwrap(),
        name: "Autumn".to_owned(),
        tz: chrono_tz::Tz::UTC,
        day_start_min: 0,
        count_mode: CountMode::Total,
        grace_days: 0,
        starts_on: now.date_naive() - Duration::days(1),
        ends_on: now.date_naive() + Duration::days(30),
        claim_until: now + Duration::days(60),
        state: ProgrammeState::Active,
        points_per_1000_minor: 0,
        points_valid_days: None,
        active_until: None,
        rules: vec![rule],
    };
    store.put_programme(&programme, now).await.unwrap();
}

/// How many mugs were given out, by all three books.
pub(crate) async fn given_out(store: &dyn Store) -> i64 {
    let tally = store.tally().await.unwrap();
    let mugs = &tally.rewards[0];
    assert_eq!(
        (mugs.issued, mugs.movements),
        (Some(mugs.granted), mugs.granted),
        "the books agree: {mugs:?}"
    );
    mugs.granted
}

/// Lets so many new members check in, and puts one claim of each into the queue.
pub(crate) async fn enqueue(set: &Set, source: &str, count: usize) {
    enqueue_within(set, source, count, |_| None).await;
}

/// The same, the `n`-th claim within this trace.
pub(crate) async fn enqueue_within(
    set: &Set,
    source: &str,
    count: usize,
    traceparent: impl Fn(usize) -> Option<String>,
) {
    let name = |n| MemberId::new(format!("{}-{n}", source.replace('/', ""))).unwrap();
    let members: Vec<MemberId> = (0..count).map(name).collect();
    for (chunk, members) in members.chunks(CHUNK).enumerate() {
        check_in(set.store.as_ref(), source, members).await;
        let numbered = members.iter().zip(chunk * CHUNK..);
        let claims = numbered.map(|(member, n)| claim(source, member, traceparent(n))).collect();
        for published in set.broker.publisher().publish(claims).await {
            published.unwrap();
        }
    }
}

async fn check_in(store: &dyn Store, source: &str, members: &[MemberId]) {
    let now = SystemClock.now();
    let message = |member: &MemberId| {
        let data = CheckInRequested { programme_id: programme(), member_id: member.clone() };
        let id = format!("check-in-{member}");
        let digest = Digest([0; 32]);
        let identity = Identity { consumer: "rewards", source: source.to_owned(), id, digest };
        RewardMessage { identity, ask: Ask::CheckIn(data, now) }
    };
    let settled = store.settle_rewards(members.iter().map(message).collect(), now).await.unwrap();
    assert!(settled.handled.iter().all(|handled| *handled == Handled::Done), "{:?}", settled.handled);
}

fn claim(source: &str, member: &MemberId, traceparent: Option<String>) -> Outgoing {
    let data = ClaimRequested {
        claim_id: RandomIds.next(),
        programme_id: programme(),
        rule_id: RuleId::new(RULE).unwrap(),
        member_id: member.clone(),
    };
    let event = Event::of(format!("claim-{member}"), source, SystemClock.now(), &data);
    let event = Event { traceparent, ..event };
    Outgoing { route: Route::inbound(EventType::ClaimRequested), message: Message::of(&event) }
}

pub(crate) fn programme() -> ProgrammeId {
    ProgrammeId::new(PROGRAMME).unwrap()
}
