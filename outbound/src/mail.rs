//! Mail over SMTP: one message for each recipient, so that a refused address costs the others nothing.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_domain::Clock;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::http::is_public;

/// The time to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for one message, connection included.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that are kept for further messages, and for how long.
const IDLE_CONNECTIONS: u32 = 2;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Most characters of a subject.
const SUBJECT_CHARS: usize = 200;
/// Most characters of a message's id.
const ID_CHARS: usize = 250;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte (usually port 465).
    Required,
    /// STARTTLS, without which nothing is sent (usually port 587).
    StartTls,
    /// None: for a server in a private network or on this machine only, and without a password.
    None,
}

/// The server, and who writes to whom.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// User name and password, when the server wants them.
    pub login: Option<(String, SecretString)>,
    /// The sender, e.g. `Forebay <forebay@shop.example>`.
    pub from: String,
    /// The recipients; at least one.
    pub to: Vec<String>,
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject; cut at 200 characters, and without line breaks.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML; text from outside must be escaped already.
    pub html: Option<String>,
    /// The message's id, e.g. `<incident-1-rev-2@shop.example>`: the same when it is sent again, so that a mailbox
    /// can tell a repetition.
    pub message_id: String,
    /// The id of the message that this one follows.
    pub in_reply_to: Option<String>,
}

/// Why a mail was not taken, or a mailer can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may work later. It may even have arrived.
    #[error("the mail server failed: {0}")]
    Transient(String),
    /// It will not work until somebody mends it.
    #[error("the mail was refused ({code}): {advice}")]
    Permanent {
        /// The server's reply code, or our word.
        code: String,
        /// What to do.
        advice: &'static str,
    },
}

/// Sends mails through one server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    /// The server's host and port, when its address must be private.
    plain: Option<(String, u16)>,
    from: Mailbox,
    to: Vec<Mailbox>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("recipients", &self.to.len()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Checks the options. Must be called within a runtime; connects when the first mail is sent.
    ///
    /// # Errors
    /// [`MailError::Permanent`] when an address can't be read, nobody is to be written to, or a password would
    /// travel without TLS.
    pub fn new(options: MailOptions, clock: Arc<dyn Clock>) -> Result<Self, MailError> {
        let from = mailbox(&options.from)?;
        let to = options.to.iter().map(|t| mailbox(t)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(permanent("no_recipient"));
        }
        let parameters = || TlsParameters::new(options.host.clone()).map_err(|_| permanent("tls"));
        let tls = match options.tls {
            MailTls::Required => Tls::Wrapper(parameters()?),
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::None if options.login.is_some() => return Err(permanent("plain_password")),
            MailTls::None => Tls::None,
        };
        let pool = PoolConfig::new().max_size(IDLE_CONNECTIONS).idle_timeout(IDLE_FOR);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(options.host.clone())
            .port(options.port)
            .tls(tls)
            .timeout(Some(CONNECT_TIMEOUT))
            .pool_config(pool);
        if let Some((user, password)) = options.login {
            builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
        }
        let plain = (options.tls == MailTls::None).then_some((options.host, options.port));
        Ok(Self { transport: builder.build(), plain, from, to, clock })
    }

    /// How many recipients there are.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.to.len()
    }

    /// Sends the mail to every recipient, one message each; the results are in the recipients' order.
    pub async fn send(&self, mail: &Mail) -> Vec<Result<(), MailError>> {
        let mut results = Vec::with_capacity(self.to.len());
        for index in 0..self.to.len() {
            results.push(self.send_to(index, mail).await);
        }
        results
    }

    /// Sends the mail to one recipient, by its place in the options.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn send_to(&self, recipient: usize, mail: &Mail) -> Result<(), MailError> {
        let to = self.to.get(recipient).ok_or_else(|| permanent("no_recipient"))?;
        let message = self.message(mail, to)?;
        self.check_plain().await?;
        match timeout(SEND_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(MailError::Transient(format!("no answer within {SEND_TIMEOUT:?}"))),
        }
    }

    fn message(&self, mail: &Mail, to: &Mailbox) -> Result<Message, MailError> {
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(to.clone())
            .date(SystemTime::from(self.clock.now()))
            .subject(one_line(&mail.subject, SUBJECT_CHARS)?)
            .message_id(Some(id(&mail.message_id)?))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Some(earlier) = &mail.in_reply_to {
            let earlier = id(earlier)?;
            builder = builder.in_reply_to(earlier.clone()).references(earlier);
        }
        let built = match &mail.html {
            Some(html) => {
                builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone()))
            }
            None => builder.singlepart(SinglePart::plain(mail.text.clone())),
        };
        built.map_err(|_| permanent("message"))
    }

    /// Without TLS, the server must lie in a private network whatever its name resolves to today.
    async fn check_plain(&self) -> Result<(), MailError> {
        let Some((host, port)) = &self.plain else { return Ok(()) };
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|e| MailError::Transient(format!("{host}: {e}")))?.collect();
        if found.iter().any(|a| is_public(a.ip())) { Err(permanent("plain_public")) } else { Ok(()) }
    }
}

/// The reply codes of RFC 5321 and RFC 4954: 4xx may pass, 5xx will not.
fn failure(error: &lettre::transport::smtp::Error) -> MailError {
    // The server's words are left out: they often repeat the recipient's address.
    match error.status() {
        Some(code) if error.is_transient() => MailError::Transient(format!("reply code {code}")),
        Some(code) => permanent(&code.to_string()),
        None if error.is_client() => permanent("client"),
        None if error.is_tls() => MailError::Transient("TLS could not be agreed on".to_owned()),
        None if error.is_timeout() => MailError::Transient("no answer in time".to_owned()),
        None => MailError::Transient("the connection failed".to_owned()),
    }
}

fn permanent(code: &str) -> MailError {
    let advice = match code {
        "address" => "an address of the sender or a recipient can't be read; correct the setting",
        "no_recipient" => "nobody is to be written to; set at least one recipient",
        "tls" => "the server's name can't be used for TLS; set the name that its certificate bears",
        "plain_password" => "a password needs TLS; set TLS to required or starttls",
        "plain_public" => "mail without TLS goes to private addresses only; set TLS to required or starttls",
        "control_character" => "the subject or an id holds a control character; report this",
        "message_id" => "the message's id is not of the form <left@right>; report this",
        "message" => "the mail can't be put together; report this",
        "client" => "the server does not offer what the settings ask for (STARTTLS, a way to log in)",
        "530" | "534" | "535" | "538" => "the server refuses the login; check user name and password",
        "550" | "551" | "553" | "501" => "the server refuses an address; check sender and recipients",
        "552" => "the mailbox is full, or the mail too large",
        _ => "look the reply code up in the mail server's log",
    };
    MailError::Permanent { code: code.to_owned(), advice }
}

fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    // A control character would not survive the parser everywhere; so it does not get there.
    let readable = !text.chars().any(char::is_control);
    readable.then(|| text.parse().ok()).flatten().ok_or_else(|| permanent("address"))
}

fn one_line(text: &str, most: usize) -> Result<String, MailError> {
    if text.chars().any(char::is_control) {
        return Err(permanent("control_character"));
    }
    Ok(text.chars().take(most).collect())
}

/// `<left@right>` of visible ASCII.
fn id(text: &str) -> Result<String, MailError> {
    let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
    let well_formed = |t: &str| {
        t.len() <= ID_CHARS
            && t.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty())
            && t.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'<' && b != b'>')
    };
    match inner {
        Some(inner) if well_formed(inner) => Ok(text.to_owned()),
        _ => Err(permanent("message_id")),
    }
}

#[cfg(test)]
mod tests {
    use forebay_domain::SystemClock;

    use super::*;

    fn options() -> MailOptions {
        MailOptions {
            host: "127.0.0.1".into(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "Forebay <forebay@shop.example>".into(),
            to: vec!["ops@shop.example".into()],
        }
    }

    fn mail() -> Mail {
        Mail {
            subject: "재고 부족".into(),
            text: "Stock is low.".into(),
            html: None,
            message_id: "<incident-1@shop.example>".into(),
            in_reply_to: None,
        }
    }

    fn code(error: MailError) -> String {
        match error {
            MailError::Permanent { code, .. } => code,
            MailError::Transient(text) => text,
        }
    }

    #[tokio::test]
    async fn line_breaks_can_not_smuggle_headers_in() {
        let mailer = Mailer::new(options(), Arc::new(SystemClock)).unwrap();
        let refused = |mail: Mail| code(mailer.message(&mail, &mailer.to[0]).unwrap_err());
        assert_eq!(refused(Mail { subject: "a\r\nBcc: x@y.example".into(), ..mail() }), "control_character");
        assert_eq!(refused(Mail { message_id: "<a@b>\r\nX: y".into(), ..mail() }), "message_id");
        assert_eq!(refused(Mail { in_reply_to: Some("<a@b\n>".into()), ..mail() }), "message_id");
        let to = vec!["ops@shop.example\r\nBcc: x@y.example".into()];
        let error = Mailer::new(MailOptions { to, ..options() }, Arc::new(SystemClock)).unwrap_err();
        assert_eq!(code(error), "address");
    }

    #[tokio::test]
    async fn a_message_says_that_a_machine_wrote_it_and_what_it_follows() {
        let mailer = Mailer::new(options(), Arc::new(SystemClock)).unwrap();
        let follow = Mail { in_reply_to: Some("<incident-0@shop.example>".into()), ..mail() };
        let text = String::from_utf8(mailer.message(&follow, &mailer.to[0]).unwrap().formatted()).unwrap();
        for header in [
            "Auto-Submitted: auto-generated",
            "Message-ID: <incident-1@shop.example>",
            "In-Reply-To: <incident-0@shop.example>",
        ] {
            assert!(text.contains(header), "{header} is missing in {text}");
        }
    }

    #[tokio::test]
    async fn nothing_goes_in_plain_to_a_public_address_and_no_password_at_all() {
        let public = MailOptions { host: "8.8.8.8".into(), ..options() };
        let mailer = Mailer::new(public, Arc::new(SystemClock)).unwrap();
        assert_eq!(code(mailer.send_to(0, &mail()).await.unwrap_err()), "plain_public");
        let login = Some(("user".to_owned(), SecretString::from("secret")));
        let error = Mailer::new(MailOptions { login, ..options() }, Arc::new(SystemClock)).unwrap_err();
        assert_eq!(code(error), "plain_password");
    }
}
