//! Pushes over real sockets: who may send one, what is kept of it, and what it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use forebay_intake::{Hook, HookFault, HookToken, Hooks, Pushed};
use forebay_queue::{Outgoing, PublishError};
use forebay_schemas::events::ParcelPushed;
use forebay_schemas::{AdapterId, Catalogue, Payload, Queue, Route, limits};
use secrecy::SecretString;

use crate::http::Request;
use crate::support::{Recorder, Running};

const TOKEN: &str = "0123456789abcdefghijklmn";

/// Takes what bears the header `x-signed: right`, and tells pushes apart by their first byte.
#[derive(Debug)]
struct Signed(AdapterId);

impl Hook for Signed {
    fn system(&self) -> &AdapterId {
        &self.0
    }

    fn take(&self, headers: &HeaderMap, body: &[u8], _: DateTime<Utc>) -> Result<Pushed, HookFault> {
        match headers.get("x-signed") {
            None => return Err(HookFault::Unsigned),
            Some(signed) if signed != "right" => return Err(HookFault::WrongSignature),
            Some(_) => {}
        }
        let first = body.first().ok_or(HookFault::Unreadable("it is empty"))?;
        let headers = BTreeMap::from([("x-kept".to_owned(), "1".to_owned())]);
        Ok(Pushed { key: format!("push {first}"), headers })
    }
}

async fn running(recorder: &Arc<Recorder>) -> Running {
    let token = HookToken::new(&SecretString::from(TOKEN)).unwrap();
    let hook: Arc<dyn Hook> = Arc::new(Signed(AdapterId::new("easypost").unwrap()));
    Running::start_hooked(Arc::clone(recorder) as Arc<_>, Hooks::new([(token, hook)])).await
}

fn push(running: &Running, path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new(running.address, "POST", path).header("x-signed", "right").body(body)
}

fn hook() -> String {
    format!("/hooks/carriers/easypost/{TOKEN}")
}

fn kept(outgoing: &Outgoing) -> (String, ParcelPushed) {
    let decoded = Catalogue::new().decode(&outgoing.message.body).unwrap();
    let Payload::ParcelPushed(pushed) = decoded.payload else { panic!("not a push") };
    assert_eq!(decoded.event.source, "/forebay/pushes/easypost");
    (decoded.event.id, pushed)
}

#[tokio::test]
async fn a_push_is_kept_byte_for_byte_in_a_queue_that_waits_for_no_carrier() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    let body = b"{ \"weight\": 614.0,\r\n \"\\u00e9\": \"\xc3\xa9\" }";
    let answer = push(&running, &hook(), body.to_vec()).send().await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let published = recorder.published.lock().unwrap();
    assert_eq!((published.len(), &published[0].route), (1, &Route::Work(Queue::Pushes)));
    let (_, pushed) = kept(&published[0]);
    assert_eq!(pushed.bytes().unwrap(), body);
    assert_eq!(pushed.headers.get("x-kept").map(String::as_str), Some("1"));
    let metrics = running.metrics.render();
    assert!(metrics.contains(r#"forebay_pushes_total{result="taken",system="easypost"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_push_that_comes_again_has_the_same_identity() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    for body in ["{1}", "{1}", "[2]"] {
        assert_eq!(push(&running, &hook(), body).send().await.status, 202);
    }
    let published = recorder.published.lock().unwrap();
    let ids: Vec<String> = published.iter().map(|one| kept(one).0).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_wrong_address_is_nothing_at_all() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    let nowhere = push(&running, "/no/such/path", "{}").send().await.problem(404);
    for path in [
        "/hooks/carriers/easypost/0123456789abcdefghijklmo".to_owned(),
        format!("/hooks/carriers/easypost/{TOKEN}n"),
        format!("/hooks/carriers/EASYPOST/{TOKEN}"),
        format!("/hooks/carriers/aftership/{TOKEN}"),
        "/hooks/carriers/easypost/%00".to_owned(),
    ] {
        let problem = push(&running, &path, "{}").send().await.problem(404);
        assert_eq!((&problem["type"], &problem["detail"]), (&nowhere["type"], &nowhere["detail"]), "{path}");
    }
    assert!(recorder.published.lock().unwrap().is_empty());
    let metrics = running.metrics.render();
    assert!(metrics.contains(r#"result="no_such_hook",system="unknown"} 5"#), "{metrics}");
}

#[tokio::test]
async fn what_is_not_signed_rightly_or_can_not_be_read_is_refused() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    let unsigned = Request::new(running.address, "POST", &hook()).body("{}");
    let problem = unsigned.clone().send().await.problem(401);
    assert!(problem["type"].as_str().unwrap().ends_with("#invalid-signature"));
    unsigned.header("x-signed", "wrong").send().await.problem(401);
    push(&running, &hook(), "").send().await.problem(400);
    push(&running, &hook(), "{}").header("Content-Encoding", "gzip").send().await.problem(415);
    assert!(recorder.published.lock().unwrap().is_empty());
    let metrics = running.metrics.render();
    for why in ["unsigned", "wrong_signature", "unreadable"] {
        let line = format!(r#"forebay_pushes_total{{result="{why}",system="easypost"}} 1"#);
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn a_large_push_is_taken_and_one_that_is_too_large_is_not() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    let large = r#"{"message":"the same again"}"#.repeat(30_000);
    assert!(large.len() < limits::PUSH_BYTES && large.len() > 10 * limits::EVENT_BYTES);
    assert_eq!(push(&running, &hook(), large.clone()).send().await.status, 202);
    assert_eq!(kept(&recorder.published.lock().unwrap()[0]).1.bytes().unwrap(), large.as_bytes());
    push(&running, &hook(), vec![b'x'; limits::PUSH_BYTES + 1]).send().await.problem(413);
    // Bytes that don't pack: small enough to be read, too large for a message.
    let noise: Vec<u8> = (0..200_000u64)
        .scan(1u64, |state, _| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some((*state >> 56) as u8)
        })
        .collect();
    push(&running, &hook(), noise).send().await.problem(413);
    assert_eq!(recorder.published.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_push_that_can_not_be_stored_is_to_be_sent_again() {
    let recorder = Arc::new(Recorder::default());
    let running = running(&recorder).await;
    *recorder.failure.lock().unwrap() = Some(PublishError::Unknown);
    let answer = push(&running, &hook(), "{}").send().await;
    assert!(answer.header("retry-after").is_some());
    answer.problem(503);
    *recorder.failure.lock().unwrap() = None;
    assert_eq!(push(&running, &hook(), "{}").send().await.status, 202);
}
