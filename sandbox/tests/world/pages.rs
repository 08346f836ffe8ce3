//! The channel and the mailbox as pages: what people were told, drawn, and harmless whatever came.

use forebay_sandbox::{Options, SLACK_CHANNEL, SLACK_TOKEN, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{Answer, Client};

async fn world() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options { slack_burst: 0, ..Options::default() }).await.unwrap();
    let client = Client::to(&sandbox).await;
    (sandbox, client)
}

/// Calls a bot method; returns the message's time stamp.
async fn bot(client: &mut Client, method: &str, more: Value) -> String {
    let mut message = json!({ "channel": SLACK_CHANNEL, "text": "the text" });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let authorization = format!("Bearer {SLACK_TOKEN}");
    let path = format!("/slack/api/{method}");
    let answer = client.post(&path, &[("authorization", &authorization)], &message).await.json();
    assert_eq!(answer["ok"], true, "{answer}");
    answer["ts"].as_str().unwrap().to_owned()
}

async fn mailed(sandbox: &Sandbox, mail: &str) {
    let mut smtp = TcpStream::connect(sandbox.smtp_addr()).await.unwrap();
    let talk = format!(
        "EHLO c\r\nMAIL FROM:<forebay@shop.example>\r\nRCPT TO:<on-call@shop.example>\r\nDATA\r\n{mail}\r\n.\r\nQUIT\r\n"
    );
    smtp.write_all(talk.as_bytes()).await.unwrap();
    smtp.read_to_end(&mut Vec::new()).await.unwrap();
}

fn is_closed(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for fetched in ["<script", "<link", "<img", " src=", "@import", "url("] {
        assert!(!answer.text.contains(fetched), "{fetched} in {}", answer.text);
    }
}

#[tokio::test]
async fn the_channel_shows_each_message_as_it_stands_with_its_thread() {
    let (_sandbox, mut client) = world().await;
    is_closed(&client.get("/slack").await);
    let blocks = |title: &str| {
        json!({ "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": title } },
            { "type": "section", "text": { "type": "mrkdwn", "text": "*Now what:*\n```forebay dlq list```" } },
            { "type": "section", "fields": [
                { "type": "mrkdwn", "text": "*Rule*\nstock_low" }, { "type": "mrkdwn", "text": "*Count*\n3" },
            ] },
            { "type": "divider" },
            { "type": "actions", "elements":
                [{ "type": "button", "text": { "type": "plain_text", "text": "Open" }, "style": "danger" }] },
            { "type": "context", "elements":
                [{ "type": "mrkdwn", "text": "since <!date^1795143600^{date_num} {time}|then>" }] },
        ] })
    };
    let ts = bot(&mut client, "chat.postMessage", blocks("first")).await;
    let mut second = blocks("second <now>");
    second["ts"] = json!(ts);
    bot(&mut client, "chat.update", second.clone()).await;
    bot(&mut client, "chat.update", second).await;
    bot(&mut client, "chat.postMessage", json!({ "text": "a *quiet* reply", "thread_ts": ts })).await;
    let loud = json!({ "text": "a loud reply", "thread_ts": ts, "reply_broadcast": true });
    bot(&mut client, "chat.postMessage", loud).await;
    let page = client.get("/slack?tz=UTC").await;
    is_closed(&page);
    for part in [
        "3 messages",
        "<div class=\"header\">second &lt;now&gt;</div>",
        "<b>Now what:</b><pre>forebay dlq list</pre>",
        "<div class=\"fields\"><div><b>Rule</b><br>stock_low</div>",
        "<hr>",
        "<span class=\"button danger\">Open</span>",
        "since 2026-11-20 03:00",
        "2 updates in place",
        "2 replies",
        "a <b>quiet</b> reply",
        "replied to a thread",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    assert_eq!(page.text.matches("quiet").count(), 1, "a reply stands in its thread alone");
    assert_eq!(page.text.matches("a loud reply").count(), 2, "a broadcast in the channel, too");
    assert!(
        client.get("/slack").await.text.contains("since 2026-11-20 12:00"),
        "the shop's zone without another"
    );
}

#[tokio::test]
async fn the_mailbox_shows_subject_thread_text_and_html_in_a_frame_that_runs_nothing() {
    let (sandbox, mut client) = world().await;
    is_closed(&client.get("/mail").await);
    let parts = "Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n7JWI64WV\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <p style=3D\"color:red\">&lt;b&gt;</p>\r\n--b--\r\n";
    let first = "Subject: =?utf-8?b?8J+foQ==?= low\r\nMessage-ID: <i-1@forebay>\r\n";
    mailed(&sandbox, &format!("{first}{parts}")).await;
    mailed(&sandbox, "Subject: another\r\nMessage-ID: <i-2@forebay>\r\n\r\n</pre><script>x</script>").await;
    let third = "Subject: over\r\nMessage-ID: <i-3@forebay>\r\nIn-Reply-To: <i-1@forebay>\r\n";
    mailed(&sandbox, &format!("{third}\r\nend")).await;
    let page = client.get("/mail").await;
    assert!(!page.text.contains("<script"), "{}", page.text);
    for part in [
        "3 mails",
        "<h2>🟡 low</h2>",
        "<dd>on-call@shop.example</dd>",
        "<pre>안녕",
        "<iframe sandbox=\"\" title=\"the mail\" srcdoc=\"&lt;p style=&quot;color:red&quot;&gt;&amp;lt;b&amp;gt;&lt;/p&gt;",
        "<article class=\"mail follows\"><h2>over</h2>",
        "follows &lt;i-1@forebay&gt;",
        "&lt;script&gt;",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    let places = ["low</h2>", "over</h2>", "another</h2>"].map(|subject| page.text.find(subject).unwrap());
    assert!(places.is_sorted(), "the conversation with the newest mail first: {places:?}");
}

#[tokio::test]
async fn a_mail_that_nobody_can_read_is_shown_as_it_came_and_old_ones_are_counted() {
    let (sandbox, mut client) = world().await;
    let deep: String = (0..2_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    mailed(&sandbox, &deep).await;
    assert!(client.get("/mail").await.text.contains("multipart/mixed; boundary=b0"));
    for n in 0..105 {
        bot(&mut client, "chat.postMessage", json!({ "text": format!("message {n}.") })).await;
    }
    let page = client.get("/slack").await;
    assert!(page.text.contains("5 older are not shown"), "{}", page.text);
    assert!(!page.text.contains("message 4.") && page.text.contains("message 5."));
}
