//! One carrier's system behind the handlers of returns and tracking: a real store, the sandbox over HTTP, no broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_carriers::{Carrier, KNOWN, Registry, Settings, Tools};
use forebay_domain::breaker::BreakerPolicy;
use forebay_domain::incident::Timing;
use forebay_domain::limits::Terms;
use forebay_domain::{Clock, Ids as _, Outcome, RandomIds, SystemClock};
use forebay_handlers::{Returns, Tracking};
use forebay_outbound::{
    AllowedHost, Breaker, BreakerOptions, HttpClient, HttpOptions, Pacer, PacerOptions, TokenDesk,
};
use forebay_queue::Message;
use forebay_sandbox::{Options, Sandbox};
use forebay_schemas::events::{CheckParcels, ParcelOfReturn, ParcelRef, ReturnRequested};
use forebay_schemas::trail::Trail;
use forebay_schemas::{AdapterId, CarrierCode, Catalogue, Event, EventData, TrackingNumber};
use forebay_sqlite::Db;
use forebay_store::{Lifecycle as _, ParcelView, Store};
use forebay_store_sqlite::SqliteStore;
use forebay_telemetry::Metrics;
use forebay_worker::{Decoding, Handler, RawHandler as _, Received};
use tempfile::TempDir;
use url::Url;

/// The handlers around one carrier's system.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Arc<dyn Store>,
    carrier: CarrierCode,
    adapter: AdapterId,
    returns: Arc<dyn Handler>,
    tracking: Arc<dyn Handler>,
    metrics: Metrics,
    db: Db,
    _folder: TempDir,
}

impl Scene {
    /// This adapter, with these credentials of the sandbox, asked about this carrier's parcels.
    pub(crate) async fn of(adapter: &str, client_id: &str, key: &str, carrier: &str) -> Self {
        Self::with(adapter, client_id, key, carrier, |settings| settings, |system| system).await
    }

    /// The same, with other settings, or with another carrier in the place of the adapter.
    pub(crate) async fn with(
        adapter: &str,
        client_id: &str,
        key: &str,
        carrier: &str,
        other: impl FnOnce(Settings) -> Settings,
        instead: impl FnOnce(Arc<dyn Carrier>) -> Arc<dyn Carrier>,
    ) -> Self {
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
        let options = HttpOptions::new(vec![allow]);
        let http = HttpClient::new(options, Arc::clone(&clock), metrics.clone()).unwrap();
        let tokens = TokenDesk::new(http.clone(), Arc::clone(&store) as Arc<_>);
        let known = KNOWN.iter().find(|known| known.id == adapter).unwrap();
        let url = format!("{}/{adapter}", sandbox.http_url());
        let settings = other(Settings::new(url, client_id, key.into()));
        let quota = settings.quota;
        let system = instead((known.build)(&Tools { http, tokens }, settings).unwrap());
        let registry = Arc::new(Registry::new(vec![Arc::clone(&system)]));
        let returns = Returns::new(Arc::clone(&store), Arc::clone(&clock), registry, None, BTreeMap::new());

        let policy = BreakerPolicy::default();
        let terms = Terms { quota, daily: None, adaptive: false, breaker: policy };
        let key = format!("carrier/{adapter}");
        let max_wait = Duration::from_secs(10);
        let (holder, lease) = (RandomIds.next(), Duration::from_secs(60));
        let options = PacerOptions { key: key.clone(), terms, concurrency: 4, holder, lease, max_wait };
        let pacer = Pacer::new(Arc::clone(&store) as Arc<_>, options, metrics.clone());
        let options = BreakerOptions { key, credential: "one".into(), policy };
        let breaker = Breaker::new(Arc::clone(&store) as Arc<_>, options);
        let told = metrics.clone();
        let tracking = Tracking::new(Arc::clone(&store), clock, system, pacer, breaker, metrics, 4);
        Self {
            sandbox,
            store,
            carrier: carrier.parse().unwrap(),
            adapter: adapter.parse().unwrap(),
            returns: Arc::new(returns),
            tracking: Arc::new(tracking),
            metrics: told,
            db,
            _folder: folder,
        }
    }

    /// Registers a return with this parcel.
    pub(crate) async fn register(&self, number: &TrackingNumber) -> Outcome {
        let asked = ReturnRequested {
            return_id: format!("R-{number}").parse().unwrap(),
            order_id: "O-1".parse().unwrap(),
            requested_at: SystemClock.now(),
            parcel: Some(ParcelOfReturn { carrier: self.carrier.clone(), tracking_number: number.clone() }),
        };
        handle(&self.returns, &format!("return-{number}"), 0, &asked).await
    }

    /// How many permits were granted.
    pub(crate) fn permits(&self) -> u64 {
        let told = self.metrics.render();
        let granted =
            told.lines().filter(|line| line.contains("_permits_total{") && line.contains("\"granted\""));
        granted.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// The parcel of this number.
    pub(crate) async fn parcel(&self, number: &TrackingNumber) -> ParcelView {
        self.store.parcel(&self.carrier, number).await.unwrap().unwrap()
    }

    /// Asks about these parcels in one message that was tried so often before.
    pub(crate) async fn check(&self, id: &str, attempts: u32, numbers: &[TrackingNumber]) -> Outcome {
        let mut parcels = Vec::new();
        for number in numbers {
            let parcel_id = self.parcel(number).await.parcel_id;
            parcels.push(ParcelRef {
                parcel_id,
                carrier: self.carrier.clone(),
                tracking_number: number.clone(),
            });
        }
        let check = CheckParcels { adapter: self.adapter.clone(), parcels, for_person: false };
        handle(&self.tracking, id, attempts, &check).await
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.store.close().await;
        self.db.close().await;
        self.sandbox.stop().await;
    }
}

async fn handle<D: EventData>(handler: &Arc<dyn Handler>, id: &str, attempts: u32, data: &D) -> Outcome {
    let event = Event::of(id, "/shops/main", SystemClock.now(), data);
    let decoding = Decoding::new(Arc::new(Catalogue::new()), Arc::clone(handler));
    let message = Message::of(&event).with_trail(&Trail { attempts, ..Trail::default() });
    decoding.handle(vec![Received::of(message)], SystemClock.now()).await.unwrap().remove(0)
}
