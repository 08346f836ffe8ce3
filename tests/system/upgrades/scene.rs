//! What a release keeps while a shop is at work, made by its own code with ids and instants that never change.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_carriers::{Carrier, Registry, Settings, SweetTracker, Tools};
use forebay_domain::incident::SlackRef;
use forebay_domain::parcel::{Checkpoint, EventTime, Lookup, Snapshot};
use forebay_domain::programme::Programme;
use forebay_domain::retry::{RetryPolicy, Verdict};
use forebay_domain::{Clock, ManualClock, NewOutbox, Outcome, SeededIds};
use forebay_handlers::{Archive, Returns, Rewards};
use forebay_outbound::{HttpClient, HttpOptions, TokenDesk};
use forebay_queue::{Message, Outgoing};
use forebay_schemas::events::{
    CheckInRequested, CheckParcels, ClaimRequested, CollectReturns, OrderPaid, OrderRefunded, ParcelOfReturn,
    ParcelRef, ParcelStatus, ReturnRequested, SendResult, TellIncident,
};
use forebay_schemas::{
    AdapterId, Catalogue, Code, Digest, Event, EventData, MemberId, OrderId, Queue, Route, Trail,
};
use forebay_store::{
    By, CheckDone, Closing, DeadLetterFilter, Firing, Handled, Identity, NewReplay, NewReturn, Store, Told,
};
use forebay_telemetry::Metrics;
use forebay_worker::{Decoding, Handler, RawHandler, Received};
use serde_json::json;
use uuid::Uuid;

const SHOP: &str = "/shops/main";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NUMBER: &str = "600000000001";

/// When everything happens: noon in Seoul.
pub(super) fn now() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

/// The clock that stands still at [`now`].
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(now()))
}

/// Ids that are the same each time.
pub(super) fn ids() -> Arc<SeededIds> {
    Arc::new(SeededIds::new(1))
}

/// The carriers' systems of the shop.
pub(super) fn adapter() -> AdapterId {
    AdapterId::new("sweettracker").unwrap()
}

fn event<D: EventData>(id: &str, data: &D) -> Event {
    Event { traceparent: Some(TRACEPARENT.to_owned()), ..Event::of(id, SHOP, now(), data) }
}

fn member(id: &str) -> MemberId {
    MemberId::new(id).unwrap()
}

fn check_in(id: &str, who: &str) -> Event {
    event(id, &CheckInRequested { programme_id: "autumn".parse().unwrap(), member_id: member(who) })
}

fn claim(n: u128, who: &str, rule: &str) -> Event {
    let claim_id = Uuid::from_u128(n);
    let data = ClaimRequested {
        claim_id,
        programme_id: "autumn".parse().unwrap(),
        rule_id: rule.parse().unwrap(),
        member_id: member(who),
    };
    event(&format!("claim-{n}"), &data)
}

fn paid(order: &str, who: &str) -> Event {
    let data = OrderPaid {
        order_id: OrderId::new(order).unwrap(),
        member_id: Some(member(who)),
        currency: "KRW".parse().unwrap(),
        amount_minor: 10_000,
        paid_at: now(),
    };
    event(&format!("paid-{order}"), &data)
}

fn refunded(order: &str) -> Event {
    let data = OrderRefunded {
        order_id: OrderId::new(order).unwrap(),
        refund_id: "F-1".parse().unwrap(),
        currency: "KRW".parse().unwrap(),
        cumulative_refunded_minor: 4_000,
        refunded_at: now(),
    };
    event(&format!("refunded-{order}"), &data)
}

fn returned(id: &str, number: &str) -> Event {
    let data = ReturnRequested {
        return_id: id.parse().unwrap(),
        order_id: OrderId::new(format!("O-{id}")).unwrap(),
        requested_at: now(),
        parcel: Some(ParcelOfReturn {
            carrier: "cj".parse().unwrap(),
            tracking_number: number.parse().unwrap(),
        }),
    };
    event(&format!("return-{id}"), &data)
}

fn programme() -> Programme {
    serde_json::from_value(json!({
        "id": "autumn", "name": "Autumn", "tz": "Asia/Seoul", "count_mode": "total",
        "starts_on": "2026-11-01", "ends_on": "2026-11-30", "claim_until": "2099-12-31T00:00:00Z",
        "state": "active", "points_per_1000_minor": 10,
        "rules": [
            {"id": "one-day", "days_required": 1,
             "reward": {"id": "mug", "name": "A mug", "kind": "product", "sku": "MUG-1",
                        "stock": {"total": 3, "low_at": 2}}},
            {"id": "points", "days_required": 1,
             "reward": {"id": "points-500", "name": "500 points", "kind": "points", "points": 500}},
        ],
    }))
    .unwrap()
}

/// The handlers of a shop at work, on a store.
struct Shop {
    store: Arc<dyn Store>,
    catalogue: Arc<Catalogue>,
}

impl Shop {
    async fn handle(&self, handler: Arc<dyn Handler>, events: &[Event]) {
        let batch = events.iter().map(|event| Received::of(Message::of(event))).collect();
        let outcomes =
            Decoding::new(Arc::clone(&self.catalogue), handler).handle(batch, now()).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
    }

    async fn rewards(&self, events: &[Event]) {
        let rewards = Rewards::new(Arc::clone(&self.store), clock(), 1);
        self.handle(Arc::new(rewards), events).await;
    }

    async fn returns(&self, events: &[Event]) {
        let client = HttpClient::new(HttpOptions::new(Vec::new()), clock(), Metrics::new("0")).unwrap();
        let tracker = {
            let tokens = TokenDesk::new(client.clone(), Arc::clone(&self.store) as Arc<_>);
            let settings = Settings::new("https://info.sweettracker.co.kr", "", "key".into());
            SweetTracker::new(&Tools { http: client, tokens }, settings).unwrap()
        };
        let carriers = Registry::new(vec![Arc::new(tracker) as Arc<dyn Carrier>]);
        let returns =
            Returns::new(Arc::clone(&self.store), clock(), Arc::new(carriers), None, Default::default());
        self.handle(Arc::new(returns), events).await;
    }

    async fn archive(&self, messages: Vec<Message>) {
        let archive = Archive::new(Arc::clone(&self.store), clock(), Metrics::new("0"), Queue::Dead);
        let letters = messages.into_iter().map(Received::of).collect();
        archive.handle(letters, now()).await.unwrap();
    }
}

/// Fills a store with a row of everything.
pub(super) async fn fill(store: Arc<dyn Store>) {
    store.put_programme(&programme(), now()).await.unwrap();
    let shop = Shop { store: Arc::clone(&store), catalogue: Arc::new(Catalogue::new()) };
    shop.rewards(&[
        check_in("day-1", "m-1"),
        check_in("day-2", "m-2"),
        claim(1, "m-1", "one-day"),
        claim(2, "m-1", "points"),
        claim(3, "m-3", "one-day"),
        paid("O-1", "m-1"),
        refunded("O-1"),
    ])
    .await;
    shop.returns(&[returned("R-1", NUMBER), returned("R-2", "600000000002"), returned("R-3", NUMBER)]).await;
    parcels(store.as_ref()).await;
    effects(store.as_ref()).await;
    schedule(store.as_ref()).await;
    shop.archive(vec![dead(&paid("O-8", "m-8")), dead(&paid("O-6", "m-6"))]).await;
    people(store.as_ref()).await;
    store
        .close_gate("carrier/sweettracker", Duration::from_secs(1), "status 429", Closing::TooFast)
        .await
        .unwrap();
}

async fn parcels(store: &dyn Store) {
    let planned = store.plan_checks(&adapter(), 1, 10, Duration::from_secs(600), now()).await.unwrap();
    assert_eq!(planned, 2);
    let checkpoint = Checkpoint {
        at: EventTime::Exact(now()),
        status: ParcelStatus::PickedUp,
        raw_code: Some("2".to_owned()),
        text: Some("picked up".to_owned()),
        place: Some("Seoul".to_owned()),
    };
    let lookup = Lookup::Found(Snapshot { status: None, checkpoints: vec![checkpoint], eta: None });
    let check =
        CheckDone { identity: said("tracking", "check-1"), lookups: vec![(parcel(store).await, lookup)] };
    assert_eq!(store.apply_checks(vec![check], now()).await.unwrap(), [Handled::Done]);
}

/// The result of R-1 was sent and nobody knows whether it arrived; that of R-3 was taken.
async fn effects(store: &dyn Store) {
    let [unknown, taken] = ["R-1", "R-3"].map(result_key);
    for key in [&unknown, &taken] {
        store.effect_intend(key, "return-result", now()).await.unwrap();
    }
    store.effect_failed(&unknown, true, "no answer came", now()).await.unwrap();
    let identity = said("results", "result-R-3");
    store.result_delivered(&taken, &"R-3".parse().unwrap(), &identity, now()).await.unwrap();
}

/// The idempotency key under which the shop gets the result of a return, whatever release sends it.
pub(super) fn result_key(return_id: &str) -> String {
    let name = format!("forebay/return-result/{return_id}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

async fn schedule(store: &dyn Store) {
    let page = NewReturn {
        return_id: "R-4".parse().unwrap(),
        order_id: "O-R-4".parse().unwrap(),
        requested_at: now(),
        parcel: None,
    };
    assert_eq!(store.save_collected(None, None, vec![page], now()).await.unwrap(), Some(1));
    let collect = CollectReturns { because_of: "schedule".to_owned() };
    let outbox = vec![NewOutbox::command("collect-1", Route::Work(Queue::Returns), now(), &collect)];
    let firing = Firing { job: "collect", slot: "2026-11-20T03:00".to_owned(), outbox, raises: Vec::new() };
    assert!(store.fire_once(firing, now()).await.unwrap());
}

/// One letter is on its way back, the other one was discarded; the incident of their group was told.
async fn people(store: &dyn Store) {
    let by = |n: u128, reason: &str| By {
        id: Uuid::from_u128(n),
        actor: "key-of-ops".to_owned(),
        reason: reason.to_owned(),
    };
    let of = |id: &str| DeadLetterFilter { message_id: Some(id.to_owned()), ..DeadLetterFilter::default() };
    let replay = NewReplay { filter: of("paid-O-8"), rate: 50, canary: true };
    store.start_replay(replay, &by(100, "the store is back"), now()).await.unwrap();
    assert_eq!(store.step_replay(now()).await.unwrap().unwrap().published, 1);
    assert_eq!(store.discard(&of("paid-O-6"), 10, &by(101, "a test"), now()).await.unwrap(), 1);
    let incident = open_incident(store).await;
    let slack = Some(SlackRef { channel: "C0123".to_owned(), ts: "1700000000.000100".to_owned() });
    let incident = store.incident(incident).await.unwrap().unwrap();
    store.told(Told { revision: 1, slack, ..Told::of(&incident) }, now()).await.unwrap();
}

async fn open_incident(store: &dyn Store) -> Uuid {
    let mut open = store.open_incidents(10).await.unwrap();
    open.sort_by(|a, b| a.raise.fingerprint.cmp(&b.raise.fingerprint));
    open[0].id
}

async fn parcel(store: &dyn Store) -> Uuid {
    let parcel = store.parcel(&"cj".parse().unwrap(), &NUMBER.parse().unwrap()).await.unwrap();
    parcel.unwrap().parcel_id
}

fn said(consumer: &'static str, id: &str) -> Identity {
    Identity { consumer, source: "/forebay".to_owned(), id: id.to_owned(), digest: Digest([7; 32]) }
}

/// A message as a worker held it in this queue.
fn held(event: &Event, queue: &Queue) -> (Message, Trail) {
    let trail = Trail { first_seen: Some(now()), queue: Some(queue.to_string()), ..Trail::default() };
    (Message::of(event), trail)
}

fn put_off(event: &Event, outcome: &Outcome, queue: Queue) -> Outgoing {
    let (message, trail) = held(event, &queue);
    match RetryPolicy::default().decide(outcome, &trail, now(), 0.0) {
        Verdict::Delay(tier, trail) => {
            Outgoing { route: Route::Delay(tier, queue), message: message.with_trail(&trail) }
        }
        other => panic!("{other:?}"),
    }
}

fn dead(event: &Event) -> Message {
    let (message, trail) = held(event, &Queue::Rewards);
    let outcome = Outcome::reject(Code::Rejected, "the store refused: \"a rule\" of 17");
    match RetryPolicy::default().decide(&outcome, &trail, now(), 0.0) {
        Verdict::Dead(trail) => message.with_trail(&trail),
        other => panic!("{other:?}"),
    }
}

/// What an intake accepted while RabbitMQ was away.
pub(super) fn spooled() -> Vec<Outgoing> {
    let events = [paid("O-9", "m-9"), check_in("day-9", "m-9")];
    let route = |event: &Event| Route::inbound(event.event_type().unwrap());
    events.iter().map(|event| Outgoing { route: route(event), message: Message::of(event) }).collect()
}

/// Messages of every queue, as they are on their way when a release is replaced by the next one.
pub(super) async fn in_flight(store: &dyn Store) -> Vec<Outgoing> {
    let parcel = ParcelRef {
        parcel_id: parcel(store).await,
        carrier: "cj".parse().unwrap(),
        tracking_number: NUMBER.parse().unwrap(),
    };
    let tell = TellIncident::of(open_incident(store).await, 1);
    let publish = |route, event: &Event| Outgoing { route, message: Message::of(event) };
    let work = |queue, event: &Event| publish(Route::Work(queue), event);
    let from_shop = |event: &Event| publish(Route::Event(event.kind.clone()), event);
    let retry = Outcome::retry(Code::Timeout, "no answer within 30 s");
    let defer = Outcome::Defer { until: now() + chrono::Duration::hours(3), why: "paced" };
    let tracking = || Queue::Tracking(adapter());
    let check = CheckParcels { adapter: adapter(), parcels: vec![parcel], for_person: false };
    let returned_again = returned("R-7", "600000000007");
    let replayed = Trail { replay: 1, letter: Some(Uuid::from_u128(102)), ..Trail::default() };
    let mut unreadable = dead(&paid("O-5", "m-5"));
    unreadable.body = vec![0, 159, 146, 150].into();
    unreadable.id = "unreadable".to_owned();
    let mut lost = paid("O-4", "m-4");
    (lost.kind, lost.id) = ("order.lost.v1".to_owned(), "lost-1".to_owned());
    vec![
        from_shop(&paid("O-7", "m-7")),
        from_shop(&refunded("O-7")),
        from_shop(&lost),
        Outgoing {
            route: Route::Work(Queue::Returns),
            message: Message::of(&returned_again).with_trail(&replayed),
        },
        work(Queue::Returns, &event("collect-2", &CollectReturns { because_of: "schedule".to_owned() })),
        work(Queue::Rewards, &check_in("day-7", "m-7")),
        work(Queue::Rewards, &check_in("day-1", "m-1")),
        work(Queue::Rewards, &claim(7, "m-2", "one-day")),
        work(tracking(), &event("check-7", &check)),
        work(
            Queue::Results,
            &event("result-7", &SendResult { return_id: "R-1".parse().unwrap(), again: false }),
        ),
        work(Queue::Notices, &event("tell-7", &tell)),
        put_off(&check_in("day-8", "m-8"), &retry, Queue::Rewards),
        put_off(&event("check-8", &check), &defer, tracking()),
        Outgoing { route: Route::Work(Queue::Dead), message: dead(&paid("O-3", "m-3")) },
        Outgoing { route: Route::Work(Queue::Dead), message: unreadable },
    ]
}
