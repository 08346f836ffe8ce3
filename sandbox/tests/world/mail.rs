//! The mail server, over raw TCP.

use forebay_sandbox::{Faults, Options, Sandbox};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

struct Talk(BufReader<TcpStream>);

impl Talk {
    async fn begin(sandbox: &Sandbox) -> Self {
        let stream = TcpStream::connect(sandbox.smtp_addr()).await.unwrap();
        let mut talk = Self(BufReader::new(stream));
        assert_eq!(talk.code().await, 220);
        talk
    }

    /// Says these bytes; returns the code of the answer.
    async fn say(&mut self, bytes: &[u8]) -> u16 {
        self.0.get_mut().write_all(bytes).await.unwrap();
        self.code().await
    }

    /// Says each line and sees that it is answered with its code.
    async fn all(&mut self, lines: &[(&str, u16)]) {
        for (line, code) in lines {
            assert_eq!(self.say(format!("{line}\r\n").as_bytes()).await, *code, "{line}");
        }
    }

    async fn code(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "the server hung up");
            assert!(line.ends_with("\r\n"), "{line:?}");
            if line.as_bytes()[3] == b' ' {
                return line[..3].parse().unwrap();
            }
        }
    }
}

const ENVELOPE: [(&str, u16); 4] = [
    ("EHLO client", 250),
    ("MAIL FROM:<shop@shop.example> SIZE=100 BODY=8BITMIME", 250),
    ("RCPT TO:<on-call@shop.example>", 250),
    ("DATA", 354),
];

async fn world() -> (Sandbox, Talk) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let talk = Talk::begin(&sandbox).await;
    (sandbox, talk)
}

#[tokio::test]
async fn a_mail_is_kept_with_its_envelope_its_headers_and_its_body() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE).await;
    let mail =
        "Subject: a long\r\n one\r\nTo: on-call@shop.example\r\n\r\n가나\r\n..stuffed\r\n..\r\nend\r\n.\r\n";
    assert_eq!(talk.say(mail.as_bytes()).await, 250);
    talk.all(&[("QUIT", 221)]).await;
    let mails = sandbox.record().mail_list();
    assert_eq!((sandbox.record().mails(), mails.len()), (1, 1));
    assert_eq!(mails[0].from, "shop@shop.example");
    assert_eq!(mails[0].to, ["on-call@shop.example"]);
    assert_eq!(mails[0].header("subject").as_deref(), Some("a long one"));
    assert_eq!(mails[0].body(), "가나\r\n.stuffed\r\n.\r\nend\r\n");
}

#[tokio::test]
async fn a_mail_that_comes_in_pieces_or_all_at_once_is_the_same() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE).await;
    for piece in ["Subj", "ect: s\r", "\n\r\nbody\r\n", "."] {
        talk.0.get_mut().write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(talk.say(b"\r\n").await, 250);
    let lines: Vec<&str> = ENVELOPE.iter().map(|(line, _)| *line).collect();
    let whole = format!("{}\r\nSubject: s\r\n\r\nbody\r\n.\r\n", lines.join("\r\n"));
    talk.0.get_mut().write_all(whole.as_bytes()).await.unwrap();
    for code in [250, 250, 250, 354, 250] {
        assert_eq!(talk.code().await, code);
    }
    let mails = sandbox.record().mail_list();
    assert_eq!((mails.len(), &mails[0].data), (2, &mails[1].data));
}

#[tokio::test]
async fn commands_out_of_order_or_unknown_are_refused() {
    let (sandbox, mut talk) = world().await;
    talk.all(&[
        ("MAIL FROM:<a@shop.example>", 503),
        ("HELO client", 250),
        ("RCPT TO:<b@shop.example>", 503),
        ("DATA", 503),
        ("MAIL a@shop.example", 501),
        ("MAIL FROM:<a@shop.example> SIZE=9999999", 552),
        ("mail from:<>", 250),
        ("MAIL FROM:<a@shop.example>", 503),
        ("RCPT TO:<>", 501),
        ("rcpt to: <b@shop.example>", 250),
        ("RSET", 250),
        ("DATA", 503),
        ("NOOP", 250),
        ("VRFY b", 252),
        ("STARTTLS", 500),
        ("가나다라", 500),
        ("", 500),
    ])
    .await;
    assert_eq!(talk.say(format!("NOOP {}\r\n", "x".repeat(100_000)).as_bytes()).await, 500);
    talk.all(&[("QUIT", 221)]).await;
    assert_eq!(sandbox.record().mails(), 0);
}

#[tokio::test]
async fn a_mail_above_one_mebibyte_is_refused_and_the_next_one_is_kept() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE).await;
    let line = format!("{}\r\n", "x".repeat(998));
    let large = format!("{}.\r\n", line.repeat(1_100));
    assert_eq!(talk.say(large.as_bytes()).await, 552);
    talk.all(&ENVELOPE).await;
    let one_line = format!("{}\r\n.\r\n", "x".repeat(2_000_000));
    assert_eq!(talk.say(one_line.as_bytes()).await, 552);
    talk.all(&ENVELOPE).await;
    assert_eq!(talk.say(b"\r\nsmall\r\n.\r\n").await, 250);
    assert_eq!(sandbox.record().mail_list()[0].body(), "small\r\n");
    assert_eq!(sandbox.record().mails(), 1);
}

#[tokio::test]
async fn a_full_stop_after_a_bare_line_feed_does_not_end_a_mail() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE).await;
    assert_eq!(talk.say(b"Subject: s\r\n\r\none\n.\r\nQUIT\r\n.\r\n").await, 250);
    assert_eq!(sandbox.record().mail_list()[0].body(), "one\n.\r\nQUIT\r\n");
}

#[tokio::test]
async fn recipients_are_refused_for_a_time_or_for_good_when_told_so() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE[..2]).await;
    sandbox.set_faults(Faults { mail_refuses: true, ..Faults::default() });
    talk.all(&[("RCPT TO:<b@shop.example>", 451)]).await;
    sandbox.set_faults(Faults { mail_rejects: true, ..Faults::default() });
    talk.all(&[("RCPT TO:<b@shop.example>", 550)]).await;
    sandbox.set_faults(Faults::default());
    talk.all(&[("RCPT TO:<b@shop.example>", 250)]).await;
    for _ in 1..100 {
        talk.all(&[("RCPT TO:<b@shop.example>", 250)]).await;
    }
    talk.all(&[("RCPT TO:<b@shop.example>", 452)]).await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_has_sent_no_mail() {
    let (sandbox, mut talk) = world().await;
    talk.all(&ENVELOPE).await;
    talk.0.get_mut().write_all(b"Subject: half\r\n").await.unwrap();
    drop(talk);
    let mut talk = Talk::begin(&sandbox).await;
    talk.all(&ENVELOPE).await;
    assert_eq!(talk.say(b"Subject: whole\r\n.\r\n").await, 250);
    let subjects: Vec<Option<String>> =
        sandbox.record().mail_list().iter().map(|m| m.header("Subject")).collect();
    assert_eq!(subjects, [Some("whole".to_owned())]);
}
