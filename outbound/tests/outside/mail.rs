//! The mailer against aiosmtpd, an SMTP server that is not ours.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use forebay_domain::SystemClock;
use forebay_outbound::{Mail, MailError, MailOptions, MailTls, Mailer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::server::refusing;

/// A server that ends with the test.
struct SmtpServer {
    _process: Child,
    output: Lines<BufReader<ChildStdout>>,
    port: u16,
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the server is")]
async fn start() -> SmtpServer {
    let python = std::env::var("FOREBAY_TEST_PYTHON").expect(
        "FOREBAY_TEST_PYTHON must name a python with aiosmtpd; scripts/test installs one and sets the variable",
    );
    let mut process = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/smtp_server.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("FOREBAY_TEST_PYTHON can't be run; run the tests through scripts/test");
    let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = next_line(&mut output).await.parse().unwrap();
    SmtpServer { _process: process, output, port }
}

async fn next_line(output: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line =
        timeout(Duration::from_secs(60), output.next_line()).await.expect("the SMTP server says nothing");
    line.unwrap().expect("the SMTP server ended; is aiosmtpd installed? run the tests through scripts/test")
}

fn mailer(server: &SmtpServer, tls: MailTls, to: &[&str]) -> Mailer {
    let options = MailOptions {
        host: "127.0.0.1".into(),
        port: server.port,
        tls,
        login: None,
        from: "Forebay <forebay@shop.example>".into(),
        to: to.iter().map(|t| (*t).to_owned()).collect(),
    };
    Mailer::new(options, Arc::new(SystemClock)).unwrap()
}

fn mail() -> Mail {
    Mail {
        subject: "재고 부족: mug".into(),
        text: "3 left.\n.\nA line with a single dot stands above.".into(),
        html: Some("<p>3 left.</p>".into()),
        message_id: "<incident-1-1@shop.example>".into(),
        in_reply_to: None,
    }
}

#[tokio::test]
async fn each_recipient_gets_a_message_of_their_own() {
    let mut server = start().await;
    let results =
        mailer(&server, MailTls::None, &["one@shop.example", "two@shop.example"]).send(&mail()).await;
    assert_eq!(results, [Ok(()), Ok(())]);
    for expected in ["one@shop.example", "two@shop.example"] {
        let got: Value = serde_json::from_str(&next_line(&mut server.output).await).unwrap();
        assert_eq!(got["to"], serde_json::json!([expected]));
        let content = got["content"].as_str().unwrap();
        for part in ["Message-ID: <incident-1-1@shop.example>", "auto-generated", "3 left."] {
            assert!(content.contains(part), "{part} is missing in {content}");
        }
        assert!(content.contains("A line with a single dot"), "the mail was cut: {content}");
    }
}

#[tokio::test]
async fn a_refused_recipient_costs_the_others_nothing() {
    let server = start().await;
    let to = ["gone@shop.example", "later@shop.example", "here@shop.example"];
    let results = mailer(&server, MailTls::None, &to).send(&mail()).await;
    assert!(matches!(&results[0], Err(MailError::Permanent { code, .. }) if code == "550"), "{results:?}");
    assert!(matches!(&results[1], Err(MailError::Transient(_))), "{results:?}");
    assert_eq!(results[2], Ok(()));
    assert!(!format!("{results:?}").contains("@shop.example"), "an address stands in an error: {results:?}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing_when_it_is_wanted() {
    let server = start().await;
    let results = mailer(&server, MailTls::StartTls, &["one@shop.example"]).send(&mail()).await;
    assert!(matches!(&results[0], Err(MailError::Permanent { .. })), "{results:?}");
}

#[tokio::test]
async fn a_server_that_is_away_may_be_back_later() {
    let mut server = start().await;
    let (_held, away) = refusing();
    server.port = away.port();
    let results = mailer(&server, MailTls::None, &["one@shop.example"]).send(&mail()).await;
    assert!(matches!(&results[0], Err(MailError::Transient(_))), "{results:?}");
}
