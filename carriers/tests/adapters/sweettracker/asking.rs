//! The adapter against a real server on 127.0.0.1.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use forebay_carriers::{Carrier as _, CarrierError, SweetTracker};
use forebay_domain::parcel::Lookup;
use serde_json::{Value, json};

use crate::support::{asked, hasty, refusing, settings, tools};

type Seen = Arc<Mutex<Vec<Value>>>;

pub(crate) fn adapter(address: SocketAddr) -> SweetTracker {
    adapter_at(address, "/gateway/", "THEKEY")
}

pub(crate) fn adapter_at(address: SocketAddr, path: &str, key: &str) -> SweetTracker {
    SweetTracker::new(&tools(address), settings(address, path, "", key)).unwrap()
}

async fn serve(answer: fn() -> Response) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let record = move |State(seen): State<Seen>, Json(body): Json<Value>| async move {
        seen.lock().unwrap().push(body);
        answer()
    };
    let routes = Router::new().route("/gateway/api/v1/trackingInfo", post(record));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = routes.with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, seen)
}

#[tokio::test]
async fn a_parcel_is_asked_about_in_one_post_without_the_key_in_the_address() {
    let (address, seen) =
        serve(|| include_str!("../../../samples/sweettracker/found_delivered.json").into_response()).await;
    let answers = adapter(address).track(&[asked("cj", "1234-5678-9012")]).await.unwrap();
    assert_eq!(answers.len(), 1);
    assert!(matches!(answers[0].outcome, Ok(Lookup::Found(_))), "{answers:?}");
    let expected = json!({"t_key": "THEKEY", "t_code": "04", "t_invoice": "123456789012"});
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn what_can_not_be_a_number_of_the_carrier_is_not_asked_about() {
    let (address, seen) = serve(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let adapter = adapter(address);
    let letters = adapter.track(&[asked("cj", "AB123456789KR")]).await.unwrap();
    assert_eq!(letters[0].outcome, Ok(Lookup::InvalidNumber));
    let stranger = adapter.track(&[asked("dhl", "123456789012")]).await.unwrap();
    assert!(matches!(stranger[0].outcome, Err(CarrierError::Rejected { .. })));
    assert_eq!(adapter.track(&[]).await, Ok(vec![]));
    let two = [asked("cj", "1111"), asked("cj", "2222")];
    assert!(matches!(adapter.track(&two).await, Err(CarrierError::Rejected { .. })));
    assert!(seen.lock().unwrap().is_empty());
    // The postal union's numbers bear letters, so this one is asked about.
    assert!(adapter.track(&[asked("ems", "EG123456785KR")]).await.is_err());
    assert_eq!(seen.lock().unwrap()[0]["t_code"], "12");
}

#[tokio::test]
async fn a_429_carries_how_long_to_wait() {
    let (address, _) =
        serve(|| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "12")]).into_response()).await;
    let error = adapter(address).track(&[asked("cj", "123456789012")]).await.unwrap_err();
    assert_eq!(error, CarrierError::RateLimited { retry_after: Some(Duration::from_secs(12)) });
}

#[tokio::test]
async fn a_system_that_is_away_or_silent_is_transient_and_its_key_stays_secret() {
    let (_held, away) = refusing();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [away, silent.local_addr().unwrap()] {
        let settings = hasty(settings(address, "/gateway/", "", "THEKEY"));
        let adapter = SweetTracker::new(&tools(address), settings).unwrap();
        let error = adapter.track(&[asked("cj", "123456789012")]).await.unwrap_err();
        assert!(matches!(error, CarrierError::Transient(_)), "{error}");
        let text = format!("{error:?} {adapter:?}");
        assert!(!text.contains("THEKEY"), "{text}");
    }
}
