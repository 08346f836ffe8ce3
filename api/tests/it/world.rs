//! An api with everything behind it, and somebody who settles.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use forebay_api::member_tokens::KeyHealth;
use forebay_api::{Api, ApiOptions, CarrierSystem, Issuer, KeySets, MemberTokens, Queues};
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::daily::{Daily, DayReset};
use forebay_domain::incident::Timing;
use forebay_domain::limits::Terms;
use forebay_domain::pacing::Quota;
use forebay_domain::programme::Programme;
use forebay_domain::settlement::Ask;
use forebay_domain::{Clock, Ids, ManualClock, RandomIds};
use forebay_intake::{ApiKey, Intake, IntakeOptions, KeyRing, Scope};
use forebay_queue::{Broker, ConsumeOptions, Consumer, Settlement};
use forebay_queue_embedded::{EmbeddedBroker, Options};
use forebay_schemas::{AdapterId, Catalogue, Decoded, Payload, Queue, Topology};
use forebay_sqlite::Db;
use forebay_store::{Identity, RewardMessage, Store};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::Metrics;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::http::Request;
use crate::provider::{self, AtHand, SigningKey};

/// Everything of one shop.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) broker: Arc<EmbeddedBroker>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) member_keys: KeyHealth,
    tokens: Vec<(Scope, String)>,
    signing: SigningKey,
    _stop: DropGuard,
    _folder: TempDir,
}

/// Midday of 2026-11-20 in Seoul.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

/// A programme in Seoul: one check-in earns 500 points, two earn a mug, of which there is one.
pub(crate) fn programme() -> Value {
    json!({
        "id": "autumn", "name": "Autumn", "tz": "Asia/Seoul", "count_mode": "total",
        "starts_on": "2026-11-01", "ends_on": "2026-11-30", "claim_until": "2026-12-15T00:00:00Z",
        "state": "active",
        "rules": [
            {"id": "one-day", "days_required": 1,
             "reward": {"id": "points-500", "name": "500 points", "kind": "points", "points": 500}},
            {"id": "two-days", "days_required": 2,
             "reward": {"id": "mug", "name": "A mug", "kind": "product", "sku": "MUG-1",
                        "stock": {"total": 1, "low_at": 0}}},
        ],
    })
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(IntakeOptions::default()).await
    }

    pub(crate) async fn start_with(options: IntakeOptions) -> Self {
        let signing = SigningKey::ed25519("world");
        let issuer = (provider::issuer(), AtHand::of(&[&signing]) as _);
        Self { signing, ..Self::build(options, vec![issuer]).await }
    }

    /// An api that knows the members of these issuers.
    pub(crate) async fn start_knowing(issuers: Vec<(Issuer, Arc<dyn KeySets>)>) -> Self {
        Self::build(IntakeOptions::default(), issuers).await
    }

    async fn build(options: IntakeOptions, issuers: Vec<(Issuer, Arc<dyn KeySets>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(now()));
        let (ids, told): (Arc<dyn Ids>, Arc<dyn Clock>) = (Arc::new(RandomIds), Arc::clone(&clock) as _);
        // A file each, so that the store can be closed and the queue go on.
        let queue_file = Db::open(folder.path().join("queue.db")).await.unwrap();
        let store_file = Db::open(folder.path().join("store.db")).await.unwrap();
        let (topology, queue_clock) = (Topology::new([]), Arc::clone(&told));
        let queue_clock: forebay_queue_embedded::Clock = Arc::new(move || queue_clock.now());
        let broker = EmbeddedBroker::open(queue_file, topology.clone(), queue_clock, Options::default())
            .await
            .unwrap();
        broker.declare(&topology).await.unwrap();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::new(store_file, Arc::clone(&ids), Arc::clone(&told), Timing::default()));
        store.migrate().await.unwrap();
        let programme: Programme = serde_json::from_value(programme()).unwrap();
        store.put_programme(&programme, now()).await.unwrap();

        let (mut keys, mut tokens) = (Vec::new(), Vec::new());
        // The last one is another storefront's.
        for (seed, scope) in (1..).zip(Scope::ALL.iter().chain(&[Scope::MembersAct])) {
            let (token, key) = ApiKey::mint(&[seed; 44], &[*scope]);
            tokens.push((*scope, token.expose_secret().to_owned()));
            keys.push(key);
        }
        let keys = Arc::new(KeyRing::new(keys).unwrap());
        let intake = Arc::new(Intake::new(
            options,
            broker.publisher(),
            Arc::new(Catalogue::new()),
            Arc::clone(&keys),
            Arc::clone(&told),
            Arc::clone(&ids),
            Metrics::new("test"),
        ));
        let api = Api::new(
            ApiOptions::new("1.2.3"),
            Queues { broker: Arc::clone(&broker) as _, topology: topology.clone() },
            Arc::clone(&store),
            intake,
            keys,
            Arc::clone(&told),
            ids,
        );
        let members = MemberTokens::new(issuers, Arc::clone(&told));
        let api = Arc::new(api.with_carriers(vec![carrier()]).with_members(members));
        let member_keys = api.member_keys();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move { api.serve(listener, stopped).await });
        let signing = SigningKey::ed25519("nobody's");
        Self {
            address,
            broker,
            store,
            clock,
            member_keys,
            tokens,
            signing,
            _stop: stop.drop_guard(),
            _folder: folder,
        }
    }

    pub(crate) fn token(&self, scope: Scope) -> String {
        let found = self.tokens.iter().find(|(of, _)| *of == scope);
        format!("Bearer {}", found.unwrap().1)
    }

    /// The key of a storefront beside the one that sends the commands.
    pub(crate) fn other_storefront(&self) -> String {
        let last = self.tokens.iter().rfind(|(of, _)| *of == Scope::MembersAct);
        format!("Bearer {}", last.unwrap().1)
    }

    /// The token of a member who has just signed in.
    pub(crate) fn member_token(&self, member: &str) -> String {
        self.signing.token(&provider::claims(member, self.clock.as_ref()))
    }

    pub(crate) fn get(&self, scope: Scope, path: &str) -> Request {
        Request::new(self.address, "GET", path).header("Authorization", &self.token(scope))
    }

    /// A member's command.
    pub(crate) fn command(&self, path: &str, body: &Value) -> Request {
        Request::new(self.address, "POST", path)
            .header("Authorization", &self.token(Scope::MembersAct))
            .header("Content-Type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn check_in(&self, member: &str) -> Request {
        self.command("/v1/programmes/autumn/check-ins", &json!({ "member_id": member }))
    }

    pub(crate) fn claim(&self, member: &str, rule: &str) -> Request {
        self.command("/v1/programmes/autumn/claims", &json!({ "member_id": member, "rule_id": rule }))
    }

    pub(crate) fn consumer(&self) -> Arc<dyn Consumer> {
        self.broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 100 })
    }

    /// How many commands wait to be settled.
    pub(crate) async fn waiting(&self) -> u64 {
        self.broker.depth(&Queue::Rewards).await.unwrap().ready
    }

    /// Settles what comes, as a worker would, until the world ends.
    pub(crate) fn settle_all(&self) {
        let (consumer, store) = (self.consumer(), Arc::clone(&self.store));
        tokio::spawn(async move { while settle(consumer.as_ref(), store.as_ref(), 100).await > 0 {} });
    }

    /// Settles exactly `count` commands.
    pub(crate) async fn settle(&self, count: usize) {
        let consumer = self.consumer();
        let mut settled = 0;
        while settled < count {
            let next = settle(consumer.as_ref(), self.store.as_ref(), count - settled);
            settled +=
                tokio::time::timeout(Duration::from_secs(30), next).await.expect("the commands are there");
        }
    }
}

async fn settle(consumer: &dyn Consumer, store: &dyn Store, most: usize) -> usize {
    let deliveries = consumer.receive(most, Duration::from_millis(1)).await;
    let catalogue = Catalogue::new();
    let messages =
        deliveries.iter().map(|delivery| message(catalogue.decode(&delivery.message.body).unwrap()));
    store.settle_rewards(messages.collect(), now()).await.unwrap();
    let settled = deliveries.len();
    consumer
        .settle(deliveries.into_iter().map(|delivery| (delivery.receipt, Settlement::Ack)).collect())
        .await;
    settled
}

fn message(decoded: Decoded) -> RewardMessage {
    let Decoded { event, payload, digest } = decoded;
    let received_at = event.recorded_time.unwrap();
    let ask = match payload {
        Payload::CheckInRequested(check_in) => Ask::CheckIn(check_in, received_at),
        Payload::ClaimRequested(claim) => Ask::Claim(claim, received_at),
        Payload::SpendRequested(spend) => Ask::Spend(spend, received_at),
        other => panic!("not a member's command: {other:?}"),
    };
    RewardMessage {
        identity: Identity { consumer: "rewards", source: event.source, id: event.id, digest },
        ask,
    }
}

/// A carrier's system of ten calls a second and a hundred a day.
pub(crate) fn carrier() -> CarrierSystem {
    let quota = Quota { limit: 12, window: Duration::from_secs(1), burst: 2, margin: Duration::ZERO };
    let daily = Daily { most: 100, reset: DayReset::UTC_MIDNIGHT, reserve_percent: 10 };
    let terms = Terms { quota, daily: Some(daily), adaptive: false, breaker: BreakerPolicy::default() };
    CarrierSystem { id: AdapterId::new("sweettracker").unwrap(), key: "carrier/sweettracker".into(), terms }
}
