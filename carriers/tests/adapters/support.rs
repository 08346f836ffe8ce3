//! What the tests of all adapters share: tools, samples, and tables of what samples mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forebay_carriers::{Answered, Asked, Carrier, CarrierError, KNOWN, Received, Settings, Tools};
use forebay_domain::SystemClock;
use forebay_domain::parcel::{Lookup, Snapshot};
use forebay_outbound::{AllowedHost, HttpClient, HttpOptions, TokenDesk};
use forebay_schemas::events::ParcelStatus;
use forebay_schemas::{CarrierCode, TrackingNumber};
use forebay_store::{Error, TokenState, Tokens};
use forebay_telemetry::Metrics;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpSocket;

/// A secret that is found wherever it leaks.
pub(crate) const KEY: &str = "THEKEY";

/// Tokens of one process: the first asker fetches.
#[derive(Debug, Default)]
pub(crate) struct MemoryTokens(Mutex<BTreeMap<String, SecretString>>);

#[async_trait]
impl Tokens for MemoryTokens {
    async fn token(&self, key: &str, _: Duration) -> Result<TokenState, Error> {
        let left = Duration::from_secs(3600);
        Ok(match self.0.lock().unwrap().get(key) {
            Some(token) => TokenState::Held { token: token.clone(), left, refresh_due: false },
            None => TokenState::Lease,
        })
    }

    async fn keep_token(&self, key: &str, token: &SecretString, _: Duration) -> Result<(), Error> {
        self.0.lock().unwrap().insert(key.to_owned(), token.clone());
        Ok(())
    }

    async fn drop_token(&self, key: &str, token: &SecretString) -> Result<bool, Error> {
        let mut tokens = self.0.lock().unwrap();
        let same = tokens.get(key).is_some_and(|kept| kept.expose_secret() == token.expose_secret());
        Ok(same && tokens.remove(key).is_some())
    }
}

pub(crate) fn tools(address: SocketAddr) -> Tools {
    let allow =
        AllowedHost { host: "127.0.0.1".into(), port: Some(address.port()), private: true, plain: true };
    let options = HttpOptions::new(vec![allow]);
    let http = HttpClient::new(options, Arc::new(SystemClock), Metrics::new("test")).unwrap();
    let tokens = TokenDesk::new(http.clone(), Arc::new(MemoryTokens::default()));
    Tools { http, tokens }
}

pub(crate) fn settings(address: SocketAddr, path: &str, client_id: &str, key: &str) -> Settings {
    let mut settings = Settings::new(format!("http://{address}{path}"), client_id, SecretString::from(key));
    settings.timeout = Duration::from_secs(20);
    settings
}

/// The same for calls that are never answered.
pub(crate) fn hasty(settings: Settings) -> Settings {
    Settings { timeout: Duration::from_millis(500), ..settings }
}

/// An address that refuses connections for as long as the socket is kept: it is bound, so that nobody else gets it, and
/// nobody listens.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

pub(crate) fn nowhere() -> SocketAddr {
    "127.0.0.1:9".parse().unwrap()
}

/// The adapter of this id, as the registry builds it, calling nobody.
pub(crate) fn adapter(id: &str) -> Arc<dyn Carrier> {
    let known = KNOWN.iter().find(|known| known.id == id).unwrap();
    (known.build)(&tools(nowhere()), settings(nowhere(), "", "client", KEY)).unwrap()
}

pub(crate) fn asked(carrier: &str, number: &str) -> Asked {
    let carrier = CarrierCode::new(carrier).unwrap();
    Asked { carrier, number: TrackingNumber::new(number).unwrap() }
}

pub(crate) fn sample(id: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/samples/{id}/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of an adapter's samples.
pub(crate) fn samples(id: &str) -> Vec<String> {
    let path = format!("{}/samples/{id}", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".md")).collect();
    names.sort();
    names
}

pub(crate) fn parse(
    id: &str,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    all: &[Asked],
) -> Result<Vec<Answered>, CarrierError> {
    adapter(id).parse(&Received { status, retry_after: None, headers, body }, all)
}

/// What a sample means.
#[derive(Debug, PartialEq)]
pub(crate) enum Means {
    /// A parcel with this status and so many checkpoints.
    Found(Option<ParcelStatus>, usize),
    NotYet,
    Invalid,
    /// This parcel's own failure, or that of the whole call.
    Own(Fault),
    Whole(Fault),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Fault {
    Auth,
    Rate,
    Quota,
    Transient,
    Malformed,
    Rejected,
}

fn fault(error: &CarrierError) -> Fault {
    match error {
        CarrierError::Auth(_) => Fault::Auth,
        CarrierError::RateLimited { .. } => Fault::Rate,
        CarrierError::QuotaExhausted { .. } => Fault::Quota,
        CarrierError::Transient(_) | CarrierError::TokenRefused | CarrierError::Unregistered => {
            Fault::Transient
        }
        CarrierError::Malformed(_) => Fault::Malformed,
        CarrierError::Rejected { .. } => Fault::Rejected,
    }
}

pub(crate) fn meaning(answer: &Result<Vec<Answered>, CarrierError>) -> Means {
    match answer.as_ref().map(|answers| &answers[0].outcome) {
        Err(error) => Means::Whole(fault(error)),
        Ok(Err(error)) => Means::Own(fault(error)),
        Ok(Ok(Lookup::NotYetKnown)) => Means::NotYet,
        Ok(Ok(Lookup::InvalidNumber)) => Means::Invalid,
        Ok(Ok(Lookup::NotTold)) => panic!("an adapter says why it does not know"),
        Ok(Ok(Lookup::Found(snapshot))) => Means::Found(snapshot.status, snapshot.checkpoints.len()),
    }
}

/// Every row holds, and every sample has a row.
pub(crate) fn each_sample_means(id: &str, one: &Asked, table: &[(&str, u16, Means)]) {
    let headers = HeaderMap::new();
    for (name, status, means) in table {
        let answer = parse(id, *status, &headers, &sample(id, name), std::slice::from_ref(one));
        assert_eq!(meaning(&answer), *means, "{id}/{name} under {status}: {answer:?}");
    }
    for name in samples(id) {
        assert!(table.iter().any(|(known, ..)| *known == name), "{id}/{name} is in no row");
    }
}

pub(crate) fn found(id: &str, one: &Asked, name: &str) -> Snapshot {
    let answers = parse(id, 200, &HeaderMap::new(), &sample(id, name), std::slice::from_ref(one)).unwrap();
    match &answers[0].outcome {
        Ok(Lookup::Found(snapshot)) => snapshot.clone(),
        other => panic!("{id}/{name}: {other:?}"),
    }
}

pub(crate) fn unmapped(id: &str, one: &Asked, name: &str) -> Vec<String> {
    let answers = parse(id, 200, &HeaderMap::new(), &sample(id, name), std::slice::from_ref(one)).unwrap();
    answers[0].unmapped.clone()
}

/// Asks as a handler does: a parcel that its system does not follow yet is registered, which answers for it, too.
pub(crate) async fn track(adapter: &dyn Carrier, asked: &[Asked]) -> Result<Vec<Answered>, CarrierError> {
    let answers = adapter.track(asked).await?;
    let unheard_of = answers.iter().any(|answer| answer.outcome == Err(CarrierError::Unregistered));
    if unheard_of { adapter.register(asked).await } else { Ok(answers) }
}
