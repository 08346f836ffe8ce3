//! The mailer against aiosmtpd, an SMTP server that is not ours.

use std::path::Path;
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

async fn start() -> SmtpServer {
    start_with(&[]).await
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the server is")]
async fn start_with(args: &[&Path]) -> SmtpServer {
    let python = std::env::var("FOREBAY_TEST_PYTHON").expect(
        "FOREBAY_TEST_PYTHON must name a python with aiosmtpd; scripts/test installs one and sets the variable",
    );
    let mut process = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/smtp_server.py"))
        .args(args)
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
async fn a_greylisted_recipient_is_taken_when_it_is_tried_again() {
    let mut server = start().await;
    let mailer = mailer(&server, MailTls::None, &["grey@shop.example"]);
    let first = mailer.send_to(0, &mail()).await;
    assert_eq!(first, Err(MailError::Transient("reply code 451".to_owned())));
    assert_eq!(mailer.send_to(0, &mail()).await, Ok(()));
    let got: Value = serde_json::from_str(&next_line(&mut server.output).await).unwrap();
    let content = got["content"].as_str().unwrap();
    assert!(content.contains("Message-ID: <incident-1-1@shop.example>"), "{content}");
}

/// Where a child of this test finds the server and how it is to speak with it: `starttls` or `tls`, and the port.
const CHILDS_ORDER: &str = "FOREBAY_TEST_CHILD_MAIL";

#[tokio::test]
async fn mail_goes_with_starttls_and_with_tls_and_a_login_to_a_server_that_is_certified_for_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=mail", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args([Path::new("-out"), &certificate, Path::new("-keyout"), &key])
        .output()
        .await
        .expect("openssl must be there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut server = start_with(&[&certificate, &key]).await;
    let tls_port = next_line(&mut server.output).await;
    for order in [format!("starttls {}", server.port), format!("tls {tls_port}")] {
        // The authorities that are trusted are those of the process, told by its environment.
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["mail::as_the_parent_orders", "--exact", "--ignored"])
            .envs([("SSL_CERT_FILE", certificate.as_os_str()), (CHILDS_ORDER, order.as_ref())])
            .output()
            .await
            .unwrap();
        assert!(child.status.success(), "{order}: {}", String::from_utf8_lossy(&child.stdout));
        let got: Value = serde_json::from_str(&next_line(&mut server.output).await).unwrap();
        assert_eq!((&got["login"], &got["to"][0]), (&"shop".into(), &"one@shop.example".into()), "{order}");
    }
    // Whom nobody vouches for gets nothing.
    let results = mailer(&server, MailTls::StartTls, &["one@shop.example"]).send(&mail()).await;
    assert!(matches!(&results[0], Err(MailError::Transient(_))), "{results:?}");
}

#[tokio::test]
#[ignore = "run by the test above, with an environment of its own"]
#[expect(clippy::disallowed_methods, reason = "it is told by its environment where the server is")]
async fn as_the_parent_orders() {
    let Ok(order) = std::env::var(CHILDS_ORDER) else { return };
    let (how, port) = order.split_once(' ').unwrap();
    let tls = if how == "tls" { MailTls::Required } else { MailTls::StartTls };
    let mailer = |password: &str| {
        let options = MailOptions {
            host: "127.0.0.1".into(),
            port: port.parse().unwrap(),
            tls,
            login: Some(("shop".to_owned(), password.into())),
            from: "forebay@shop.example".into(),
            to: vec!["one@shop.example".into()],
        };
        Mailer::new(options, Arc::new(SystemClock)).unwrap()
    };
    match mailer("guessed").send_to(0, &mail()).await {
        Err(MailError::Permanent { code, advice }) => {
            assert_eq!(code, "535");
            assert!(advice.contains("user name and password"), "{advice}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(mailer("open sesame").send_to(0, &mail()).await, Ok(()));
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
