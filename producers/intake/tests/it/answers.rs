//! What the intake answers, request by request.

use std::sync::Arc;
use std::time::Duration;

use crate::http::{Connection, Request};
use crate::support::{BATCH, ONE, Recorder, Running, check_in, event, now, return_asked};
use async_trait::async_trait;
use forebay_intake::{IntakeOptions, Scope};
use forebay_queue::{Outgoing, PublishError, Publisher};
use forebay_schemas::Event;

async fn recording() -> (Arc<Recorder>, Running) {
    let recorder = Arc::new(Recorder::default());
    let running = Running::start(Arc::clone(&recorder) as _).await;
    (recorder, running)
}

#[tokio::test]
async fn each_answer_names_its_request() {
    let (_, running) = recording().await;
    let given = running.post(ONE, return_asked("e-1")).header("X-Request-Id", "shop-77.a_b").send().await;
    assert_eq!(given.header("x-request-id"), Some("shop-77.a_b"));
    let odd = running.post(ONE, "{").header("X-Request-Id", "a b<script>").send().await;
    assert_eq!(odd.header("x-request-id").unwrap().len(), 36);
    odd.problem(400);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let (_, running) = recording().await;
    Request::new(running.address, "GET", "/").send().await.problem(404);
    Request::new(running.address, "POST", "/v1/events/").send().await.problem(404);
    let method = Request::new(running.address, "GET", "/v1/events").send().await;
    method.problem(405);
    assert_eq!(method.header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_key_is_asked_for_and_its_scopes_are_minded() {
    let (recorder, running) = recording().await;
    let ask = |token: Option<String>, body: String| {
        let request =
            Request::new(running.address, "POST", "/v1/events").header("Content-Type", ONE).body(body);
        match token {
            Some(token) => request.header("Authorization", &token),
            None => request,
        }
    };
    let none = ask(None, return_asked("e-1")).send().await;
    none.problem(401);
    assert!(none.header("www-authenticate").unwrap().starts_with("Bearer"));
    let wrong = ask(Some(format!("Bearer fbk_{}_{}", "A".repeat(12), "b".repeat(43))), return_asked("e-1"));
    wrong.send().await.problem(401);

    let (shop, members, reports) = (
        running.token(&[Scope::EventsWrite]),
        running.token(&[Scope::MembersAct]),
        running.token(&[Scope::Viewer]),
    );
    for (token, body, status) in [
        (&shop, return_asked("e-1"), 202),
        (&shop, check_in("e-2"), 403),
        (&members, check_in("e-2"), 202),
        (&members, return_asked("e-3"), 403),
        (&reports, return_asked("e-4"), 403),
    ] {
        let answer = ask(Some(token.clone()), body.clone()).send().await;
        assert_eq!(answer.status, status, "{body}");
        if status == 403 {
            answer.problem(403);
            assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
        }
    }
    assert_eq!(recorder.published.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_is_stamped_with_our_clock_and_a_trace() {
    let (recorder, running) = recording().await;
    let forged = check_in("e-1").replace("\"data\"", r#""recordedtime":"1999-01-01T00:00:00Z","data""#);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(running.post(ONE, forged).header("traceparent", trace).send().await.status, 202);
    assert_eq!(running.post(ONE, check_in("e-2")).header("traceparent", "nonsense").send().await.status, 202);
    let published = recorder.published.lock().unwrap().clone();
    let events: Vec<Event> = published.iter().map(|o| Event::decode(&o.message.body).unwrap()).collect();
    assert_eq!(events[0].recorded_time, Some(now()));
    assert_eq!(events[0].traceparent.as_deref(), Some(trace));
    assert_eq!(published[0].message.headers["traceparent"], trace);
    let made = events[1].traceparent.as_deref().unwrap();
    assert!(forebay_intake::trace_context::is_valid(made), "{made}");
}

#[tokio::test]
async fn binary_mode_is_the_same_event() {
    let (recorder, running) = recording().await;
    let data = r#"{"programme_id":"autumn","member_id":"m-1"}"#;
    let binary = |body: &str| {
        running
            .post("application/json", body)
            .header("ce-specversion", "1.0")
            .header("ce-id", "e%2D1")
            .header("ce-source", "/shops/main")
            .header("ce-type", "member.check_in.requested.v1")
    };
    assert_eq!(binary(data).send().await.status, 202);
    let published = recorder.published.lock().unwrap().clone();
    let event = Event::decode(&published[0].message.body).unwrap();
    assert_eq!((event.id.as_str(), event.data.get()), ("e-1", data));
    // A body that would close the data and go on with attributes of its own.
    binary(r#"{"programme_id":"autumn","member_id":"m-1"},"id":"e-2""#).send().await.problem(400);
    binary(data).header("ce-data", "1").send().await.problem(400);
    running.post(ONE, check_in("e-3")).header("ce-id", "e-3").send().await.problem(400);
    assert_eq!(recorder.published.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn other_content_is_not_taken() {
    let (_, running) = recording().await;
    for content_type in ["application/json", "text/plain", "application/cloudevents+json; charset=latin1", ""]
    {
        let answer = running.post(content_type, return_asked("e-1")).send().await;
        answer.problem(415);
        assert!(answer.header("accept-post").unwrap().contains(BATCH), "{content_type}");
    }
    let brotli = running.post(ONE, return_asked("e-1")).header("Content-Encoding", "br").send().await;
    brotli.problem(415);
    assert_eq!(brotli.header("accept-encoding"), Some("gzip, identity"));
    let utf8 = running.post("Application/CloudEvents+JSON; charset=\"UTF-8\"", return_asked("e-1"));
    assert_eq!(utf8.send().await.status, 202);
}

#[tokio::test]
async fn a_queue_that_does_not_confirm_all_is_told_and_asked_again() {
    let (recorder, running) = recording().await;
    for failure in [
        PublishError::Unavailable("gone".to_owned()),
        PublishError::Unknown,
        PublishError::Refused,
        PublishError::Unroutable("event:x".to_owned()),
    ] {
        *recorder.failure.lock().unwrap() = Some(failure);
        let batch = format!("[{},{}]", return_asked("e-1"), return_asked("e-2"));
        let answer = running.post(BATCH, batch).send().await;
        let problem = answer.problem(503);
        assert!(problem["type"].as_str().unwrap().ends_with("temporary-reduced-capacity"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((4..=6).contains(&wait), "{wait}");
        assert_eq!(problem["retry_after_seconds"], wait);
    }
    *recorder.failure.lock().unwrap() = Some(PublishError::TooLarge("names".to_owned()));
    let problem = running.post(ONE, return_asked("e-1")).send().await.problem(413);
    assert_eq!(problem["max_bytes"], 65_536);
    *recorder.failure.lock().unwrap() = None;
    assert_eq!(running.post(ONE, return_asked("e-1")).send().await.status, 202);
    let metrics = running.metrics.render();
    let line = r#"forebay_events_received_total{result="accepted",type="return.requested.v1"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    assert!(metrics.contains(r#"forebay_intake_requests_total{status="503"} 4"#), "{metrics}");
}

#[tokio::test]
async fn more_in_flight_than_the_bound_are_turned_away_at_once() {
    let recorder = Arc::new(Recorder::default());
    let options = IntakeOptions { in_flight: 1, ..IntakeOptions::default() };
    let running = Running::start_with(options, Arc::clone(&recorder) as _).await;
    let blocked = recorder.hold.write().await;
    let mut first = Connection::open(running.address).await;
    first.send(&running.post(ONE, return_asked("e-1")).bytes()).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while running.intake.admit().is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the first request was never in flight");
        tokio::task::yield_now().await;
    }
    let second = running.post(ONE, return_asked("e-2")).send().await;
    second.problem(503);
    assert!(second.header("retry-after").is_some());
    drop(blocked);
    assert_eq!(first.answer().await.status, 202);
    assert_eq!(running.post(ONE, return_asked("e-2")).send().await.status, 202);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_given_up() {
    let recorder = Arc::new(Recorder::default());
    let options = IntakeOptions { body_deadline: Duration::from_millis(50), ..IntakeOptions::default() };
    let running = Running::start_with(options, Arc::clone(&recorder) as _).await;
    let mut slow = Connection::open(running.address).await;
    let bytes = running.post(ONE, return_asked("e-1")).bytes();
    slow.send(&bytes[..bytes.len() - 1]).await;
    slow.answer().await.problem(408);
    assert!(slow.is_closed().await);
    assert!(recorder.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_is_used_again_after_successes_and_problems() {
    let (recorder, running) = recording().await;
    let mut connection = Connection::open(running.address).await;
    for (body, status) in [
        (return_asked("e-1"), 202),
        ("{".to_owned(), 400),
        (event("e-2", "x.v1", "1"), 422),
        (check_in("e-3"), 202),
    ] {
        connection.send(&running.post(ONE, body).bytes()).await;
        assert_eq!(connection.answer().await.status, status);
    }
    assert_eq!(recorder.published.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stop_lets_the_requests_under_way_end() {
    let (recorder, running) = recording().await;
    let mut idle = Connection::open(running.address).await;
    idle.send(&running.post(ONE, return_asked("e-1")).bytes()).await;
    assert_eq!(idle.answer().await.status, 202);
    let blocked = recorder.hold.write().await;
    let mut under_way = Connection::open(running.address).await;
    under_way.send(&running.post(ONE, return_asked("e-2")).bytes()).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !running.metrics.render().contains("status=\"202\"} 1") || running.intake.free() == 512 {
        assert!(tokio::time::Instant::now() < deadline, "the request was never in flight");
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    assert!(idle.is_closed().await, "an idle connection is closed at the stop");
    drop(blocked);
    assert_eq!(under_way.answer().await.status, 202);
    let served = tokio::time::timeout(Duration::from_secs(30), running.served).await;
    served.expect("the server ends").unwrap().unwrap();
}

#[derive(Debug)]
struct Panicking;

#[async_trait]
impl Publisher for Panicking {
    async fn publish(&self, _: Vec<Outgoing>) -> Vec<Result<(), PublishError>> {
        panic!("provoked by a test")
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_gives_its_place_back() {
    let options = IntakeOptions { in_flight: 1, ..IntakeOptions::default() };
    let running = Running::start_with(options, Arc::new(Panicking)).await;
    let mut connection = Connection::open(running.address).await;
    for _ in 0..2 {
        connection.send(&running.post(ONE, return_asked("e-1")).bytes()).await;
        let problem = connection.answer().await.problem(500);
        assert!(!problem.to_string().contains("provoked"));
    }
    assert_eq!(running.intake.free(), 1);
}
