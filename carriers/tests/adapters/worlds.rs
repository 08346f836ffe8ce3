//! The sandbox misbehaves and pushes, and the adapters understand it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use forebay_carriers::{Answered, Carrier, CarrierError, KNOWN, PushFault, PushSecrets, Settings, Tools};
use forebay_domain::parcel::Lookup;
use forebay_sandbox as world;
use forebay_sandbox::{CarrierFaults, CarrierName, Faults, Options, RetryAfter, Sandbox};
use http::HeaderMap;
use secrecy::SecretString;

use crate::support::{Fault, Means as M, asked, hasty, meaning, settings, tools, track};

fn address_of(sandbox: &Sandbox) -> SocketAddr {
    sandbox.http_url().trim_start_matches("http://").parse().unwrap()
}

fn adapter_of(sandbox: &Sandbox, name: CarrierName) -> Arc<dyn Carrier> {
    adapter_with(&tools(address_of(sandbox)), sandbox, name, |settings| settings)
}

fn adapter_with(
    tools: &Tools,
    sandbox: &Sandbox,
    name: CarrierName,
    change: fn(Settings) -> Settings,
) -> Arc<dyn Carrier> {
    let (client, key) = match name {
        CarrierName::SweetTracker => ("", world::CARRIER_KEY),
        CarrierName::TrackerDelivery => {
            (world::TRACKER_DELIVERY_CLIENT_ID, world::TRACKER_DELIVERY_CLIENT_SECRET)
        }
        CarrierName::Fedex => (world::FEDEX_CLIENT_ID, world::FEDEX_CLIENT_SECRET),
        CarrierName::Dhl => ("", world::DHL_KEY),
        CarrierName::Easypost => ("", world::EASYPOST_KEY),
        CarrierName::Ups => (world::UPS_CLIENT_ID, world::UPS_CLIENT_SECRET),
        CarrierName::Aftership => ("", world::AFTERSHIP_KEY),
    };
    let known = KNOWN.iter().find(|known| known.id == name.id()).unwrap();
    let settings = settings(address_of(sandbox), &format!("/{name}"), client, key);
    (known.build)(tools, change(settings)).unwrap()
}

async fn start() -> Sandbox {
    Sandbox::start(Options::default()).await.unwrap()
}

async fn ask(adapter: &dyn Carrier, name: CarrierName, story: &str) -> Result<Vec<Answered>, CarrierError> {
    let number = match name {
        CarrierName::Ups => format!("1Z999AA101{story}00018"),
        _ => format!("{story}000000001"),
    };
    let carrier = adapter.serves()[0].clone();
    track(adapter, &[asked(carrier.as_str(), &number)]).await
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let faults = |change: fn(&mut CarrierFaults)| {
        let mut faults = CarrierFaults::default();
        change(&mut faults);
        faults
    };
    let cases: [(CarrierFaults, &[Fault]); 8] = [
        (faults(|f| f.refuses_key = true), &[Fault::Auth]),
        (faults(|f| f.rate_limited = Some(RetryAfter { seconds: Some(7), date_in_s: None })), &[Fault::Rate]),
        (faults(|f| f.daily_quota = Some(0)), &[Fault::Quota, Fault::Rate]),
        (faults(|f| f.quota_per_second = Some(0)), &[Fault::Quota, Fault::Rate]),
        (faults(|f| f.hang = true), &[Fault::Transient]),
        (faults(|f| f.html = true), &[Fault::Transient]),
        (faults(|f| f.truncated = true), &[Fault::Malformed]),
        (faults(|f| f.fail_percent = 100), &[Fault::Transient]),
    ];
    for name in CarrierName::ALL {
        let sandbox = start().await;
        // Both with the same token, so that it is the question itself that hangs.
        let tools = tools(address_of(&sandbox));
        let patient = adapter_with(&tools, &sandbox, name, |settings| settings);
        let hasty = adapter_with(&tools, &sandbox, name, hasty);
        assert!(ask(patient.as_ref(), name, "600").await.is_ok());
        for (faults, expected) in &cases {
            let carriers = [(name, faults.clone())].into();
            sandbox.set_faults(Faults { carriers, ..Faults::default() });
            let adapter = if faults.hang { &hasty } else { &patient };
            let answer = ask(adapter.as_ref(), name, "610").await;
            let (M::Whole(fault) | M::Own(fault)) = meaning(&answer) else { panic!("{name}: {answer:?}") };
            assert!(expected.contains(&fault), "{name} {faults:?}: {answer:?}");
            if let Some(RetryAfter { seconds: Some(seconds), .. }) = faults.rate_limited {
                let told = Some(Duration::from_secs(seconds));
                assert_eq!(answer.unwrap_err(), CarrierError::RateLimited { retry_after: told });
            }
        }
        sandbox.set_faults(Faults::default());
        assert!(ask(patient.as_ref(), name, "600").await.is_ok(), "{name} is well again");
    }
}

type Taken = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn take(State(taken): State<Taken>, headers: HeaderMap, body: Bytes) {
    taken.lock().unwrap().push((headers, body));
}

#[tokio::test]
async fn pushes_are_verified_and_read() {
    let taken = Taken::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let routes = Router::new().route("/", post(take)).with_state(Arc::clone(&taken));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    for (name, secret) in [
        (CarrierName::Easypost, world::EASYPOST_WEBHOOK_SECRET),
        (CarrierName::Aftership, world::AFTERSHIP_WEBHOOK_SECRET),
    ] {
        let sandbox = start().await;
        let adapter = adapter_of(&sandbox, name);
        ask(adapter.as_ref(), name, "615").await.unwrap();
        assert!(sandbox.set_webhook(name, Some(&url), None));
        let known = KNOWN.iter().find(|known| known.id == name.id()).unwrap();
        let push = known.push.unwrap()(PushSecrets { current: SecretString::from(secret), next: None });
        sandbox.advance("615000000001");
        let (headers, body) = next(&taken).await;
        assert_eq!(push.verify(&headers, &body), Ok(()), "{name}");
        let answer = push.parse(&headers, &body).unwrap();
        let Ok(Lookup::Found(snapshot)) = &answer.parcels[0].outcome else { panic!("{name}: {answer:?}") };
        assert_eq!(snapshot.checkpoints.len(), 2, "{name}");
        assert!(!answer.dedupe_key.is_empty());
        let faults = CarrierFaults { push_forged: true, ..CarrierFaults::default() };
        sandbox.set_faults(Faults { carriers: [(name, faults)].into(), ..Faults::default() });
        assert!(sandbox.push(name, "615000000001"));
        let (headers, body) = next(&taken).await;
        assert_eq!(push.verify(&headers, &body), Err(PushFault::WrongSignature), "{name}");
    }
}

async fn next(taken: &Taken) -> (HeaderMap, Bytes) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(one) = taken.lock().unwrap().pop() {
            return one;
        }
        assert!(Instant::now() < deadline, "no push came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
