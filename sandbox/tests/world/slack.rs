//! Slack's incoming webhooks and bot methods.

use forebay_sandbox::{Options, SLACK_CHANNEL, SLACK_TOKEN, Sandbox};
use serde_json::{Value, json};

use crate::wire::{Answer, Client};

const WEBHOOK: &str = "/slack/services/T/B/X";

async fn world(options: Options) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(options).await.unwrap();
    let client = Client::to(&sandbox).await;
    (sandbox, client)
}

async fn bot(client: &mut Client, method: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {SLACK_TOKEN}");
    client.post(&format!("/slack/api/{method}"), &[("authorization", &authorization)], body).await
}

fn message(text: &str) -> Value {
    json!({ "channel": SLACK_CHANNEL, "text": text })
}

#[tokio::test]
async fn a_webhook_takes_a_message_with_a_plain_ok() {
    let (sandbox, mut client) = world(Options::default()).await;
    let answer = client.post(WEBHOOK, &[], &json!({ "text": "hello" })).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    let refused = [
        (json!({ "text": "" }), "no_text"),
        (json!({ "text": "t", "blocks": [{ "type": "header" }] }), "invalid_blocks"),
        (json!("text"), "invalid_payload"),
    ];
    for (body, error) in refused {
        let answer = client.post(WEBHOOK, &[], &body).await;
        assert_eq!((answer.status, answer.text.as_str()), (400, error));
    }
    let posts = sandbox.record().slack_posts();
    assert_eq!((posts.len(), posts[0].text.as_str(), posts[0].ts.as_str()), (1, "hello", ""));
}

#[tokio::test]
async fn a_message_of_the_bot_is_shown_as_its_last_update_left_it() {
    let (sandbox, mut client) = world(Options::default()).await;
    let first = bot(&mut client, "chat.postMessage", &message("firing")).await.json();
    assert_eq!((&first["ok"], &first["channel"]), (&json!(true), &json!(SLACK_CHANNEL)));
    let ts = first["ts"].as_str().unwrap();
    let mut reply = message("details");
    reply["thread_ts"] = json!(ts);
    let second = bot(&mut client, "chat.postMessage", &reply).await.json();
    assert_ne!(second["ts"], first["ts"]);
    let mut resolved = message("resolved");
    resolved["ts"] = json!(ts);
    assert_eq!(bot(&mut client, "chat.update", &resolved).await.json()["ok"], true);
    let posts = sandbox.record().slack_posts();
    assert_eq!(posts.len(), 2);
    assert_eq!((posts[0].text.as_str(), posts[0].updates), ("resolved", 1));
    assert_eq!((posts[1].text.as_str(), posts[1].thread_ts.as_deref()), ("details", Some(ts)));
    assert_eq!(sandbox.record().slack_messages(), 2);
}

#[tokio::test]
async fn the_bot_reads_what_it_wrote_page_by_page_and_what_messages_say_of_themselves() {
    let (_sandbox, mut client) = world(Options::default()).await;
    let authorization = format!("Bearer {SLACK_TOKEN}");
    let mut stamps = Vec::new();
    for (n, thread) in [(0, None), (1, None), (2, Some(0)), (3, None)] {
        let mut message = message(&format!("n{n}"));
        message["metadata"] = json!({ "event_type": "made", "event_payload": { "n": n } });
        message["thread_ts"] = thread.map_or(Value::Null, |of: usize| json!(stamps[of]));
        let answer = bot(&mut client, "chat.postMessage", &message).await.json();
        stamps.push(answer["ts"].as_str().unwrap().to_owned());
    }
    let mut read = async |method: &str, query: &str| {
        let path = format!("/slack/api/{method}?channel={SLACK_CHANNEL}&{query}");
        client.call("GET", &path, &[("authorization", &authorization)], b"").await.json()
    };
    let numbers = |page: &Value| -> Vec<Value> {
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["metadata"]["event_payload"]["n"].clone()).collect()
    };
    let first = read("conversations.history", "include_all_metadata=true&limit=2&oldest=1").await;
    assert_eq!((numbers(&first), &first["has_more"]), (vec![json!(3), json!(1)], &json!(true)));
    let cursor = first["response_metadata"]["next_cursor"].as_str().unwrap();
    let query = format!("include_all_metadata=true&cursor={cursor}");
    let second = read("conversations.history", &query).await;
    assert_eq!((numbers(&second), &second["has_more"]), (vec![json!(0)], &json!(false)));
    let thread = format!("include_all_metadata=true&ts={}", stamps[0]);
    assert_eq!(numbers(&read("conversations.replies", &thread).await), [json!(0), json!(2)]);
    let without = read("conversations.history", "limit=1").await;
    assert_eq!(without["messages"][0].get("metadata"), None);
    let nobody = read("conversations.replies", "ts=1.5").await;
    assert_eq!(nobody["error"], "thread_not_found");
}

#[tokio::test]
async fn the_bot_is_refused_with_slacks_errors_inside_status_200() {
    let (sandbox, mut client) = world(Options::default()).await;
    let error = |answer: Answer| {
        assert_eq!(answer.status, 200);
        let told = answer.json();
        assert_eq!(told["ok"], false);
        told["error"].as_str().unwrap().to_owned()
    };
    let post = "/slack/api/chat.postMessage";
    assert_eq!(error(client.post(post, &[], &message("t")).await), "not_authed");
    let wrong = [("authorization", "Bearer xoxb-other")];
    assert_eq!(error(client.post(post, &wrong, &message("t")).await), "invalid_auth");
    let nowhere = json!({ "channel": "C404", "text": "t" });
    assert_eq!(error(bot(&mut client, "chat.postMessage", &nowhere).await), "channel_not_found");
    assert_eq!(error(bot(&mut client, "chat.postMessage", &message("")).await), "no_text");
    assert_eq!(error(bot(&mut client, "chat.postMessage", &json!([])).await), "json_not_object");
    let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(2_900) } });
    let mut long = message("t");
    long["blocks"] = json!(vec![section; 5]);
    assert_eq!(error(bot(&mut client, "chat.postMessage", &long).await), "msg_blocks_too_long");
    let mut unknown = message("t");
    unknown["ts"] = json!("1.000000");
    assert_eq!(error(bot(&mut client, "chat.update", &unknown).await), "message_not_found");
    client.fault(json!({ "slack_error": "is_archived" })).await;
    assert_eq!(error(bot(&mut client, "chat.postMessage", &message("t")).await), "is_archived");
    client.fault(json!({ "slack_refuses_token": true })).await;
    assert_eq!(error(bot(&mut client, "auth.test", &json!({})).await), "invalid_auth");
    client.fault(json!({})).await;
    assert_eq!(bot(&mut client, "auth.test", &json!({})).await.json()["ok"], true);
    assert_eq!(sandbox.record().slack_messages(), 0);
}

#[tokio::test]
async fn messages_beyond_a_burst_are_told_to_wait_and_updates_are_not() {
    let (sandbox, mut client) = world(Options { slack_burst: 3, ..Options::default() }).await;
    let (mut taken, mut told, mut ts) = (0, None, Value::Null);
    for _ in 0..10 {
        let answer = bot(&mut client, "chat.postMessage", &message("t")).await;
        if answer.status == 429 {
            assert_eq!(answer.json()["error"], "ratelimited");
            told = answer.header("retry-after").map(str::to_owned);
        } else {
            taken += 1;
            ts = answer.json()["ts"].clone();
        }
    }
    assert!((3..10).contains(&taken), "{taken}");
    assert_eq!(told.as_deref(), Some("1"));
    let mut update = message("u");
    update["ts"] = ts;
    assert_eq!(bot(&mut client, "chat.update", &update).await.json()["ok"], true);
    assert_eq!(
        client.post(WEBHOOK, &[], &message("t")).await.status,
        200,
        "another channel has a pace of its own"
    );
    assert_eq!(sandbox.record().slack_messages(), taken + 1);
}

#[tokio::test]
async fn the_pace_can_be_lifted_and_slack_can_be_broken() {
    let (_sandbox, mut client) = world(Options { slack_burst: 0, ..Options::default() }).await;
    for _ in 0..50 {
        assert_eq!(client.post(WEBHOOK, &[], &message("t")).await.status, 200);
    }
    client.fault(json!({ "slack_rate_limited": 30 })).await;
    let limited = client.post(WEBHOOK, &[], &message("t")).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("30")));
    client.fault(json!({ "slack_fails": true })).await;
    assert_eq!(bot(&mut client, "chat.postMessage", &message("t")).await.status, 500);
    client.fault(json!({ "slack_error": "channel_is_archived" })).await;
    let archived = client.post(WEBHOOK, &[], &message("t")).await;
    assert_eq!((archived.status, archived.text.as_str()), (410, "channel_is_archived"));
}
