//! Bad input of every kind: a clear 4xx, nothing stored, and the connection's neighbours unharmed.

use std::io::Write;

use crate::http::{Answer, Request};
use crate::support::{BATCH, ONE, RealQueue, Running, check_in, claim, event, return_asked};

const CHECK_IN: &str = "member.check_in.requested.v1";

async fn on_a_real_queue() -> (RealQueue, Running) {
    let queue = RealQueue::open().await;
    let running = Running::start(queue.publisher()).await;
    (queue, running)
}

/// What is sent, what is answered, and the JSON pointer that the answer must name.
type Row = (&'static str, Vec<u8>, u16, Option<&'static str>);

fn broken_envelopes() -> Vec<Row> {
    let good = return_asked("e-1");
    let edited = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1).into_bytes()
    };
    vec![
        ("nothing", Vec::new(), 400, Some("")),
        ("not JSON", b"{".to_vec(), 400, Some("")),
        ("not UTF-8", b"{\"id\":\"\xff\xfe\"}".to_vec(), 400, Some("")),
        ("null", b"null".to_vec(), 400, Some("")),
        ("an array in single mode", format!("[{good}]").into_bytes(), 400, Some("")),
        ("two documents", format!("{good}{good}").into_bytes(), 400, Some("")),
        ("a raw NUL", edited("e-1", "e\0"), 400, Some("")),
        ("an escaped NUL in the id", edited("e-1", r"e\u0000"), 400, Some("/id")),
        ("an escaped NUL in the source", edited("/shops/main", r"/\u0000"), 400, Some("/source")),
        ("a right-to-left mark in the type", edited("return", "\u{202e}return"), 400, Some("/type")),
        ("half a surrogate pair in the id", edited("e-1", r"\ud800"), 400, Some("/id")),
        ("a number for the id", edited("\"e-1\"", "7"), 400, Some("/id")),
        ("an empty id", edited("e-1", ""), 400, Some("/id")),
        ("an id too long", edited("e-1", &"x".repeat(129)), 400, Some("/id")),
        ("another version", edited("\"1.0\"", "\"0.3\""), 400, Some("/specversion")),
        ("no source", edited("\"source\":\"/shops/main\",", ""), 400, Some("/source")),
        ("no data", edited("\"data\"", "\"dat\""), 400, Some("/data")),
        ("a time that is none", edited("\"data\"", r#""time":"yesterday","data""#), 400, Some("/time")),
        ("an attribute twice", edited("\"id\"", r#""id":"e-0","id""#), 400, Some("")),
        ("an attribute in capitals", edited("\"data\"", r#""Shop":"a","data""#), 400, Some("")),
        ("an attribute that is an object", edited("\"data\"", r#""shop":{},"data""#), 400, Some("/shop")),
        ("an attribute out of range", edited("\"data\"", r#""shop":1e400,"data""#), 400, Some("/shop")),
        ("binary data", edited("\"data\"", r#""data_base64":"AA==","data""#), 400, Some("/data_base64")),
        ("deep nesting", "[".repeat(60_000).into_bytes(), 400, Some("")),
    ]
}

fn broken_contents() -> Vec<Row> {
    let with = |kind: &str, data: &str| event("e-1", kind, data).into_bytes();
    let check_in = |data: &str| with(CHECK_IN, data);
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let member = |id: &str| check_in(&format!(r#"{{"programme_id":"autumn","member_id":{id}}}"#));
    vec![
        ("an unknown type", with("order.vanished.v1", "{}"), 422, Some("/type")),
        ("a version to come", with("return.requested.v2", "{}"), 422, Some("/type")),
        ("a command of ours", with("return.collection.due.v1", "{}"), 422, Some("/type")),
        ("a fact of ours", with("points.changed.v1", "{}"), 422, Some("/type")),
        ("data that is null", check_in("null"), 422, Some("/data")),
        ("data that is text", check_in("\"x\""), 422, Some("/data")),
        ("a missing field", check_in(r#"{"programme_id":"autumn"}"#), 422, Some("/data")),
        ("a wrong type", member("7"), 422, Some("/data/member_id")),
        ("an empty member", member("\"\""), 422, Some("/data/member_id")),
        ("a NUL in a member", member(r#""m\u0000""#), 422, Some("/data/member_id")),
        ("a zero-width joiner in a member", member("\"m\u{200d}\""), 422, Some("/data/member_id")),
        ("half a surrogate pair", member(r#""\ud800""#), 422, Some("/data")),
        (
            "a field twice",
            check_in(r#"{"programme_id":"autumn","member_id":"a","member_id":"b"}"#),
            422,
            None,
        ),
        (
            "a number out of range",
            check_in(r#"{"programme_id":"autumn","member_id":"a","n":1e400}"#),
            422,
            Some("/data"),
        ),
        ("deep data", check_in(&nested), 422, Some("/data")),
        (
            "a claim id that is none",
            claim("e-1").replace("0190a7c4", "zzzzzzzz").into_bytes(),
            422,
            Some("/data/claim_id"),
        ),
    ]
}

fn names(answer: &Answer, status: u16, pointer: Option<&str>) -> bool {
    let problem = answer.problem(status);
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    pointer.is_none_or(|pointer| errors.iter().any(|error| error["pointer"] == pointer))
}

#[tokio::test]
async fn every_broken_event_is_refused_with_its_place_and_nothing_is_stored() {
    let (queue, running) = on_a_real_queue().await;
    for (what, body, status, pointer) in broken_envelopes().into_iter().chain(broken_contents()) {
        let answer = running.post(ONE, body).send().await;
        assert!(names(&answer, status, pointer), "{what}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(queue.stored().await, 0);
}

#[tokio::test]
async fn one_bad_event_refuses_its_whole_batch_and_is_pointed_at() {
    let (queue, running) = on_a_real_queue().await;
    for (what, body, status, pointer) in broken_envelopes().into_iter().chain(broken_contents()) {
        let Ok(bad) = String::from_utf8(body) else { continue };
        if serde_json::from_str::<&serde_json::value::RawValue>(&bad).is_err() {
            continue;
        }
        let batch = format!("[{},{},{},{bad}]", check_in("a"), return_asked("b"), claim("c"));
        let pointer = pointer.map(|pointer| format!("/3{pointer}"));
        let answer = running.post(BATCH, batch).send().await;
        assert!(
            names(&answer, status, pointer.as_deref()),
            "{what}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    assert_eq!(queue.stored().await, 0);
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused() {
    let (queue, running) = on_a_real_queue().await;
    for body in ["", "{}", "[", "[1,", "null", &check_in("e-1"), &"[".repeat(200_000), &"[".repeat(900_000)] {
        running.post(BATCH, body).send().await.problem(400);
    }
    assert_eq!(queue.stored().await, 0);
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_the_limit() {
    let (queue, running) = on_a_real_queue().await;
    let padded = |bytes: usize| {
        let data = |pad: usize| {
            format!(r#"{{"programme_id":"autumn","member_id":"m-1","pad":"{}"}}"#, "x".repeat(pad))
        };
        let empty = event("e-1", CHECK_IN, &data(0)).len();
        event("e-1", CHECK_IN, &data(bytes - empty))
    };
    let limit = |answer: Answer| answer.problem(413)["max_bytes"].as_u64().unwrap();
    assert_eq!(limit(running.post(ONE, padded(65_537)).send().await), 65_536);
    // It would fit, and no longer does with our stamps on it.
    assert_eq!(limit(running.post(ONE, padded(65_536)).send().await), 65_536);
    assert_eq!(limit(running.post(BATCH, format!("[{}]", padded(65_537))).send().await), 65_536);
    assert_eq!(limit(running.post(BATCH, vec![b' '; 1024 * 1024 + 1]).send().await), 1024 * 1024);
    let many = vec!["1"; 501].join(",");
    assert_eq!(limit(running.post(BATCH, format!("[{many}]")).send().await), 1024 * 1024);

    let ten_megabytes = vec![b'x'; 10_000_000];
    assert_eq!(limit(running.post(ONE, ten_megabytes.clone()).send().await), 65_536);
    assert_eq!(limit(running.post(BATCH, ten_megabytes.clone()).send().await), 1024 * 1024);
    let mut chunked = format!("{:x}\r\n", ten_megabytes.len()).into_bytes();
    chunked.extend_from_slice(&ten_megabytes);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(limit(running.post(ONE, chunked).header("Transfer-Encoding", "chunked").send().await), 65_536);
    Request::new(running.address, "POST", "/v1/events")
        .header("Content-Type", ONE)
        .body(ten_megabytes)
        .send()
        .await
        .problem(401);
    assert_eq!(queue.stored().await, 0);
    assert_eq!(running.post(ONE, padded(65_000)).send().await.status, 202);
}

#[tokio::test]
async fn a_small_body_that_inflates_beyond_the_limit_is_refused() {
    let (queue, running) = on_a_real_queue().await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    let send = |body: Vec<u8>| running.post(BATCH, body).header("Content-Encoding", "gzip").send();
    assert_eq!(send(bomb).await.problem(413)["max_bytes"], 4 * 1024 * 1024);
    send(b"no gzip".to_vec()).await.problem(400);
    assert_eq!(queue.stored().await, 0);
    let inflates = format!("[{}]{}", check_in("e-1"), " ".repeat(2 * 1024 * 1024));
    assert_eq!(send(gzip(inflates.as_bytes())).await.status, 202);
}

#[tokio::test]
async fn an_answer_never_repeats_what_was_sent() {
    let (_queue, running) = on_a_real_queue().await;
    let secret = "4111111111111111";
    let data = format!(r#"{{"programme_id":"{secret}!","member_id":{secret}}}"#);
    for body in [event("e-1", CHECK_IN, &data), event(secret, "no.such.v1", "{}"), format!("{{\"{secret}\":")]
    {
        let answer = running.post(ONE, body).send().await;
        assert!((400..500).contains(&answer.status));
        assert!(!String::from_utf8_lossy(&answer.body).contains(secret), "{:?}", answer.json());
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_harm_nobody() {
    let (_queue, running) = on_a_real_queue().await;
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"] {
        let mut connection = crate::http::Connection::open(running.address).await;
        connection.send(garbage).await;
    }
    assert_eq!(running.post(ONE, return_asked("e-1")).send().await.status, 202);
}
