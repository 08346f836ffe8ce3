//! A batch of checks of which the carrier refuses one number: on a real store, against the sandbox over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_carriers::{KNOWN, Registry, Settings, Tools, numbers};
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::incident::Timing;
use forebay_domain::limits::Terms;
use forebay_domain::{Clock, Outcome, RandomIds, SystemClock};
use forebay_handlers::{Returns, Tracking};
use forebay_outbound::{
    AllowedHost, Breaker, BreakerOptions, HttpClient, HttpOptions, Pacer, PacerOptions, TokenDesk,
};
use forebay_queue::Message;
use forebay_sandbox::{CarrierName, FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, Options, Sandbox};
use forebay_schemas::events::{CheckParcels, ParcelOfReturn, ParcelRef, ReturnRequested};
use forebay_schemas::{AdapterId, CarrierCode, Catalogue, Event, EventData, TrackingNumber};
use forebay_sqlite::Db;
use forebay_store::{Lifecycle as _, Store};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::Metrics;
use forebay_worker::{Decoding, Handler, RawHandler as _};
use url::Url;

const KEY: &str = "carrier/fedex";

fn fedex() -> CarrierCode {
    "fedex".parse().unwrap()
}

/// A number of FedEx's that begins like this.
fn number(begin: &str) -> TrackingNumber {
    let all = (0..10).map(|digit| TrackingNumber::new(format!("{begin}{digit}")).unwrap());
    let mut right = all.filter(|number| numbers::check(&fedex(), number).is_ok());
    right.next().unwrap()
}

async fn handle<D: EventData>(handler: Arc<dyn Handler>, id: &str, data: &D) -> Vec<Outcome> {
    let event = Event::of(id, "/shops/main", SystemClock.now(), data);
    let decoding = Decoding::new(Arc::new(Catalogue::new()), handler);
    decoding.handle(vec![Message::of(&event)], SystemClock.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_number_is_found_and_its_29_neighbours_are_answered() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("shop.db")).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Arc::new(RandomIds);
    let store = SqliteStore::new(db.clone(), ids, Arc::clone(&clock), Timing::default());
    store.migrate().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let base = Url::parse(&sandbox.http_url()).unwrap();
    let allow = AllowedHost { plain: true, ..AllowedHost::of_url(&base, true).unwrap() };
    let metrics = Metrics::new("0");
    let http = HttpClient::new(HttpOptions::new(vec![allow]), Arc::clone(&clock), metrics.clone()).unwrap();
    let tokens = TokenDesk::new(http.clone(), Arc::clone(&store) as Arc<_>);
    let known = KNOWN.iter().find(|known| known.id == "fedex").unwrap();
    let settings =
        Settings::new(format!("{}/fedex", sandbox.http_url()), FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET.into());
    let quota = settings.quota;
    let carrier = (known.build)(&Tools { http, tokens }, settings).unwrap();
    let registry = Arc::new(Registry::new(vec![Arc::clone(&carrier)]));

    let mut all: Vec<TrackingNumber> = (0..29).map(|n| number(&format!("650000000{n:02}"))).collect();
    let poison = number("64700000001");
    all.insert(11, poison.clone());
    let returns: Arc<dyn Handler> =
        Arc::new(Returns::new(Arc::clone(&store), Arc::clone(&clock), registry, None, BTreeMap::new()));
    for (n, number) in all.iter().enumerate() {
        let asked = ReturnRequested {
            return_id: format!("R-{n}").parse().unwrap(),
            order_id: format!("O-{n}").parse().unwrap(),
            requested_at: clock.now(),
            parcel: Some(ParcelOfReturn { carrier: fedex(), tracking_number: number.clone() }),
        };
        assert_eq!(handle(Arc::clone(&returns), &format!("r-{n}"), &asked).await, [Outcome::Done]);
    }
    let mut parcels = Vec::new();
    for number in &all {
        let view = store.parcel(&fedex(), number).await.unwrap().unwrap();
        parcels.push(ParcelRef {
            parcel_id: view.parcel_id,
            carrier: fedex(),
            tracking_number: number.clone(),
        });
    }

    let policy = BreakerPolicy::default();
    let terms = Terms { quota, daily: None, adaptive: false, breaker: policy };
    let options = PacerOptions { key: KEY.into(), terms, concurrency: 4, max_wait: Duration::from_secs(10) };
    let pacer = Pacer::new(Arc::clone(&store) as Arc<_>, options, metrics.clone());
    let options = BreakerOptions { key: KEY.into(), credential: "one".into(), policy };
    let breaker = Breaker::new(Arc::clone(&store) as Arc<_>, options);
    let tracking = Tracking::new(Arc::clone(&store), Arc::clone(&clock), carrier, pacer, breaker, metrics, 4);
    let check = CheckParcels { adapter: AdapterId::new("fedex").unwrap(), parcels, for_person: false };
    assert_eq!(handle(Arc::new(tracking), "check-1", &check).await, [Outcome::Done]);

    for number in &all {
        let view = store.parcel(&fedex(), number).await.unwrap().unwrap();
        if *number == poison {
            assert_eq!((view.status.as_str(), view.next_check_at), ("unknown", None));
        } else {
            assert_eq!(view.status, "delivered", "{number}");
        }
    }
    let calls = sandbox.record().calls_of(CarrierName::Fedex);
    assert!((2..=11).contains(&calls), "{calls} calls");
    assert_eq!(sandbox.record().token_calls_of(CarrierName::Fedex), 1);
    store.close().await;
    db.close().await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_return_with_a_number_that_can_not_be_one_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("shop.db")).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = SqliteStore::new(db.clone(), Arc::new(RandomIds), Arc::clone(&clock), Timing::default());
    store.migrate().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let http = HttpClient::new(HttpOptions::new(Vec::new()), Arc::clone(&clock), Metrics::new("0")).unwrap();
    let tokens = TokenDesk::new(http.clone(), Arc::clone(&store) as Arc<_>);
    let known = KNOWN.iter().find(|known| known.id == "fedex").unwrap();
    let settings = Settings::new("https://apis.fedex.com", "id", "key".into());
    let carrier = (known.build)(&Tools { http, tokens }, settings).unwrap();
    let registry = Arc::new(Registry::new(vec![carrier]));
    let returns: Arc<dyn Handler> =
        Arc::new(Returns::new(Arc::clone(&store), Arc::clone(&clock), registry, None, BTreeMap::new()));
    let asked = ReturnRequested {
        return_id: "R-1".parse().unwrap(),
        order_id: "O-1".parse().unwrap(),
        requested_at: clock.now(),
        parcel: Some(ParcelOfReturn { carrier: fedex(), tracking_number: "794643013529".parse().unwrap() }),
    };
    let outcomes = handle(returns, "r-1", &asked).await;
    let told = format!("{outcomes:?}");
    assert!(matches!(outcomes[0], Outcome::Reject { .. }) && told.contains("check digit"), "{told}");
    assert!(!told.contains("794643013529"), "{told}");
    store.close().await;
    db.close().await;
}
