//! Slack's client against a server that answers as Slack does.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use chrono::DateTime;
use forebay_domain::incident::SlackRef;
use forebay_outbound::{Slack, SlackError, SlackMessage, SlackSink};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::server::{client_for, serve, url};

type Seen = Arc<Mutex<Vec<(String, String, Value)>>>;
type Answering = fn(&str) -> Response;

/// What was asked: path, authorization, body.
async fn record(
    State((seen, answer)): State<(Seen, Answering)>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let authorization = headers.get("authorization").map_or("", |v| v.to_str().unwrap()).to_owned();
    seen.lock().unwrap().push((uri.path().to_owned(), authorization, body));
    answer(uri.path())
}

async fn slack(bot: bool, answer: Answering) -> (Slack, Seen) {
    let seen = Seen::default();
    let address = serve(Router::new().fallback(record).with_state((Arc::clone(&seen), answer))).await;
    let sink = if bot {
        let token = SecretString::from("xoxb-SECRET");
        SlackSink::Bot { token, channel: "C1".into(), api_base: url(address, "/api/") }
    } else {
        SlackSink::Webhook { url: SecretString::from(url(address, "/services/T/B/SECRET").to_string()) }
    };
    (Slack::new(client_for(address), sink), seen)
}

fn message() -> SlackMessage {
    SlackMessage {
        text: "Low stock".into(),
        blocks: vec![json!({"type": "divider"})],
        mark: "incident-1".into(),
    }
}

fn posted(_: &str) -> Response {
    Json(json!({"ok": true, "channel": "C1", "ts": "1.2"})).into_response()
}

#[tokio::test]
async fn a_webhook_takes_a_message_and_tells_no_place() {
    let (slack, seen) = slack(false, |_| "ok".into_response()).await;
    assert_eq!(slack.send(&message(), None).await, Ok(None));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].2["text"], "Low stock");
    assert_eq!(seen[0].2["blocks"][0]["type"], "divider");
    assert_eq!(seen[0].2.get("metadata"), None, "a webhook has none");
}

#[tokio::test]
async fn a_bot_posts_then_updates_in_place_and_answers_in_the_thread() {
    let (slack, seen) = slack(true, posted).await;
    let place = SlackRef { channel: "C1".into(), ts: "1.2".into() };
    assert_eq!(slack.send(&message(), None).await, Ok(Some(place.clone())));
    slack.send(&message(), Some(&place)).await.unwrap();
    slack.reply(&message(), &place, true).await.unwrap();
    let seen = seen.lock().unwrap();
    let paths: Vec<&str> = seen.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["/api/chat.postMessage", "/api/chat.update", "/api/chat.postMessage"]);
    assert_eq!(seen[0].1, "Bearer xoxb-SECRET");
    assert_eq!((&seen[0].2["reply_broadcast"], &seen[2].2["reply_broadcast"]), (&json!(null), &json!(true)));
    assert_eq!((&seen[1].2["ts"], &seen[2].2["thread_ts"]), (&json!("1.2"), &json!("1.2")));
}

#[tokio::test]
async fn a_message_that_can_not_be_changed_any_more_is_sent_anew() {
    let (slack, seen) = slack(true, |path| match path {
        "/api/chat.update" => Json(json!({"ok": false, "error": "message_not_found"})).into_response(),
        path => posted(path),
    })
    .await;
    let gone = SlackRef { channel: "C1".into(), ts: "0.1".into() };
    let place = slack.send(&message(), Some(&gone)).await.unwrap().unwrap();
    assert_eq!((place.ts.as_str(), seen.lock().unwrap().len()), ("1.2", 2));
}

#[tokio::test]
async fn a_channel_gets_about_one_message_a_second() {
    let (slack, _) = slack(false, |_| "ok".into_response()).await;
    let begun = Instant::now();
    for _ in 0..3 {
        slack.send(&message(), None).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_until_slack_wants_it() {
    let answer: Answering = |_| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")]).into_response();
    let (slack, seen) = slack(true, answer).await;
    let first = slack.send(&message(), None).await.unwrap_err();
    assert_eq!(first, SlackError::RateLimited { after: Duration::from_secs(30) });
    let second = slack.send(&message(), None).await.unwrap_err();
    assert!(matches!(second, SlackError::RateLimited { after } if after > Duration::from_secs(25)));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_error_passes_and_a_bad_token_stays() {
    let (failing, _) = slack(false, |_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    assert!(matches!(failing.send(&message(), None).await, Err(SlackError::Transient(_))));
    let (refusing, _) =
        slack(true, |_| Json(json!({"ok": false, "error": "invalid_auth"})).into_response()).await;
    match refusing.send(&message(), None).await.unwrap_err() {
        SlackError::Permanent { code, advice } => {
            assert_eq!(code, "invalid_auth");
            assert!(advice.contains("token"), "{advice}");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_removed_webhook_is_told_without_its_address() {
    let (slack, _) = slack(false, |_| (StatusCode::NOT_FOUND, "no_service").into_response()).await;
    let error = slack.send(&message(), None).await.unwrap_err();
    let text = format!("{error} {error:?} {slack:?}");
    assert!(text.contains("no_service") && !text.contains("SECRET"), "{text}");
}

#[tokio::test]
async fn a_page_that_is_not_slacks_is_no_success() {
    let (webhook, _) = slack(false, |_| "<html>proxy</html>".into_response()).await;
    assert!(matches!(webhook.send(&message(), None).await, Err(SlackError::Transient(_))));
    let (bot, _) = slack(true, |_| "<html>proxy</html>".into_response()).await;
    assert!(matches!(bot.send(&message(), None).await, Err(SlackError::Transient(_))));
}

/// A Slack that tells two pages of what was written, or refuses to.
async fn telling(error: Option<&'static str>) -> (Slack, Seen) {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let marked = |ts: &str, mark: &str| {
        json!({ "ts": ts, "metadata": {
        "event_type": "forebay_notice", "event_payload": { "mark": mark } } })
    };
    let tell = async move |uri: Uri| {
        let query = uri.query().unwrap_or_default().to_owned();
        let first = !query.contains("cursor=");
        kept.lock().unwrap().push((uri.path().to_owned(), query, Value::Null));
        Json(match error {
            Some(error) => json!({ "ok": false, "error": error }),
            None if first => json!({ "ok": true, "messages": [{ "ts": "3.0" }, marked("2.0", "incident-2")],
                "response_metadata": { "next_cursor": "n=" } }),
            None => json!({ "ok": true, "messages": [marked("1.0", "incident-1")],
                "response_metadata": { "next_cursor": "" } }),
        })
    };
    let address = serve(Router::new().fallback(tell)).await;
    let token = SecretString::from("xoxb-SECRET");
    let sink = SlackSink::Bot { token, channel: "C1".into(), api_base: url(address, "/api/") };
    (Slack::new(client_for(address), sink), seen)
}

#[tokio::test]
async fn what_was_sent_before_is_found_by_its_mark_on_whatever_page_it_stands() {
    let (slack, seen) = telling(None).await;
    let since = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    let found = slack.find("incident-1", None, since).await.unwrap();
    assert_eq!(found, Some(SlackRef { channel: "C1".into(), ts: "1.0".into() }));
    let thread = SlackRef { channel: "C2".into(), ts: "0.5".into() };
    assert_eq!(slack.find("incident-9", Some(&thread), since).await, Ok(None));
    let seen = seen.lock().unwrap();
    let paths: Vec<&str> = seen.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths[..2], ["/api/conversations.history"; 2]);
    assert_eq!(paths[2..], ["/api/conversations.replies"; 2]);
    for part in ["channel=C1", "oldest=1795000000", "include_all_metadata=true"] {
        assert!(seen[0].1.contains(part), "{part} is not in {}", seen[0].1);
    }
    assert!(seen[1].1.ends_with("cursor=n%3D"), "{}", seen[1].1);
    assert!(seen[2].1.contains("channel=C2") && seen[2].1.contains("ts=0.5"), "{}", seen[2].1);
}

#[tokio::test]
async fn who_may_not_look_finds_nothing_and_who_has_to_wait_does() {
    let since = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    let (slack, _) = telling(Some("missing_scope")).await;
    assert_eq!(slack.find("incident-1", None, since).await, Ok(None));
    let (slack, _) = telling(Some("ratelimited")).await;
    assert!(matches!(slack.find("incident-1", None, since).await, Err(SlackError::RateLimited { .. })));
}
