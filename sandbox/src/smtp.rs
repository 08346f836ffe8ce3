//! A mail server that keeps what it gets: plain SMTP (RFC 5321) without relaying.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::http::ACCEPT_PAUSE;
use crate::mail::Mail;
use crate::world::World;

/// Most clients at once; further ones wait in the listener's backlog.
const SESSIONS: usize = 256;
const COMMAND_BYTES: usize = 1_024;
const MAIL_BYTES: usize = 1024 * 1024;
const RECIPIENTS: usize = 100;
/// How long a client may be silent, and how long it may stay.
const IDLE: Duration = Duration::from_secs(60);
const SESSION: Duration = Duration::from_secs(600);
/// How often one that hangs looks whether it may go on.
const HANG_LOOK: Duration = Duration::from_millis(20);

pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let places = Arc::new(Semaphore::new(SESSIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((mut stream, _)) => {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let _place = place;
                    let (reader, writer) = stream.split();
                    let session = Session::new(&world, BufReader::new(reader), writer);
                    match timeout(SESSION, session.run()).await {
                        Ok(Ok(())) => {}
                        // A client that goes away in the middle has sent no mail.
                        Ok(Err(error)) => tracing::debug!(%error, "a mail client went away"),
                        Err(_) => tracing::debug!("a mail client stayed too long"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the sandbox's mail server could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One client's conversation.
struct Session<'w, R, W> {
    world: &'w World,
    reader: R,
    writer: W,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl<'w, R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Session<'w, R, W> {
    fn new(world: &'w World, reader: R, writer: W) -> Self {
        Self { world, reader, writer, greeted: false, from: None, to: Vec::new() }
    }

    async fn run(mut self) -> io::Result<()> {
        self.reply("220 sandbox ESMTP").await?;
        while let Some(line) = self.line(COMMAND_BYTES).await? {
            let Some(line) = line else {
                self.reply("500 line too long").await?;
                continue;
            };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.begin();
                    self.reply(&format!("250-sandbox\r\n250-8BITMIME\r\n250 SIZE {MAIL_BYTES}")).await?;
                }
                "HELO" => {
                    self.begin();
                    self.reply("250 sandbox").await?;
                }
                "MAIL" => {
                    let answer = self.mail(rest);
                    self.reply(answer).await?;
                }
                "RCPT" => {
                    self.hang().await;
                    let answer = self.recipient(rest);
                    self.reply(answer).await?;
                }
                "DATA" if self.to.is_empty() => self.reply("503 no recipient yet").await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.forget();
                    self.reply("250 forgotten").await?;
                }
                "NOOP" => self.reply("250 here").await?,
                "VRFY" => self.reply("252 not told").await?,
                "QUIT" => return self.reply("221 bye").await,
                _ => self.reply("500 not known").await?,
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.greeted = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn mail(&mut self, rest: &str) -> &'static str {
        let Some((from, parameters)) = path(rest, "FROM:") else { return "501 MAIL FROM:<address>" };
        let size = parameters.to_ascii_uppercase();
        let size = size.split(' ').find_map(|p| p.strip_prefix("SIZE=")?.parse::<usize>().ok());
        match size {
            _ if !self.greeted => "503 greet first",
            _ if self.from.is_some() => "503 one mail at a time",
            Some(size) if size > MAIL_BYTES => "552 too large",
            _ => {
                self.from = Some(from.to_owned());
                "250 ok"
            }
        }
    }

    /// Keeps silent while the switch says so.
    async fn hang(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(self.world.switches.get().mail_hangs_ms) {
            tokio::time::sleep(HANG_LOOK).await;
        }
    }

    fn recipient(&mut self, rest: &str) -> &'static str {
        let faults = self.world.switches.get();
        let Some((to, _)) = path(rest, "TO:").filter(|(to, _)| !to.is_empty()) else {
            return "501 RCPT TO:<address>";
        };
        if self.from.is_none() {
            "503 whose mail is it"
        } else if faults.mail_refuses || faults.mail_refuses_only.as_deref() == Some(to) {
            "451 try again later"
        } else if faults.mail_rejects || faults.mail_rejects_only.as_deref() == Some(to) {
            "550 no such mailbox"
        } else if self.to.len() == RECIPIENTS {
            "452 too many recipients"
        } else {
            self.to.push(to.to_owned());
            "250 ok"
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        self.reply("354 end with a full stop on a line of its own").await?;
        let Some(data) = self.content().await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        match data {
            Some(data) => {
                let data = String::from_utf8_lossy(&data).into_owned();
                self.world.record.mail(Mail { from, to, data });
                self.reply("250 kept").await
            }
            None => self.reply("552 too large").await,
        }
    }

    /// The mail up to the lone full stop, dots unstuffed: `Some(None)` when it is too large, `None` when the client
    /// is gone.
    async fn content(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let (mut data, mut fits, mut line_ended) = (Vec::new(), true, true);
        while let Some(line) = self.line(MAIL_BYTES).await? {
            let line = line.as_deref();
            // Only CR LF ends a line: after a bare LF a full stop is content, or two servers could see two mails.
            if line_ended && line == Some(b".\r\n") {
                return Ok(Some(fits.then_some(data)));
            }
            let stuffed = line_ended && line.is_some_and(|line| line.starts_with(b"."));
            line_ended = line.is_none_or(|line| line.ends_with(b"\r\n"));
            match line.and_then(|line| line.get(usize::from(stuffed)..)) {
                Some(line) if fits && data.len() + line.len() <= MAIL_BYTES => data.extend_from_slice(line),
                _ => {
                    fits = false;
                    data = Vec::new();
                }
            }
        }
        Ok(None)
    }

    /// A line with its end: `Some(None)` when it is longer than `most` bytes, `None` when the client is gone.
    async fn line(&mut self, most: usize) -> io::Result<Option<Option<Vec<u8>>>> {
        let (mut line, mut fits) = (Vec::new(), true);
        loop {
            let chunk = timeout(IDLE, self.reader.fill_buf()).await??;
            if chunk.is_empty() {
                return Ok(None);
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(chunk.len(), |end| end + 1);
            fits = fits && line.len() + used <= most;
            if fits {
                line.extend_from_slice(&chunk[..used]);
            }
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(fits.then_some(line)));
            }
        }
    }

    async fn reply(&mut self, text: &str) -> io::Result<()> {
        timeout(IDLE, self.writer.write_all(format!("{text}\r\n").as_bytes())).await?
    }
}

/// The address of `FROM:<address> parameters`, and the parameters.
fn path<'l>(rest: &'l str, keyword: &str) -> Option<(&'l str, &'l str)> {
    let given = rest.get(..keyword.len()).filter(|given| given.eq_ignore_ascii_case(keyword))?;
    let (address, parameters) = rest[given.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    Some((address, parameters.trim()))
}
