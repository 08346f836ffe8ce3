//! A mail server that keeps what it gets: plain SMTP (RFC 5321) without relaying.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::record::Mail;
use crate::server::World;

const LINE_BYTES: u64 = 4_096;
const MAIL_BYTES: usize = 1024 * 1024;
const RECIPIENTS: usize = 100;
const IDLE: Duration = Duration::from_secs(60);

pub(crate) async fn serve(listener: TcpListener, world: World, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the sandbox's mail server could not accept");
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        let (world, stop) = (world.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                // A client that goes away in the middle has sent no mail.
                _ = session(stream, &world) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

async fn session(stream: TcpStream, world: &World) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    reply(&mut stream, "220 sandbox ESMTP").await?;
    let mut mail = Mail { from: String::new(), to: Vec::new(), data: String::new() };
    while let Some(line) = line(&mut stream).await? {
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => reply(&mut stream, "250-sandbox\r\n250-8BITMIME\r\n250 SIZE 1048576").await?,
            "HELO" | "NOOP" => reply(&mut stream, "250 ok").await?,
            "RSET" => {
                mail = Mail { from: String::new(), to: Vec::new(), data: String::new() };
                reply(&mut stream, "250 ok").await?;
            }
            "MAIL" => {
                mail.from = address(&line);
                reply(&mut stream, "250 ok").await?;
            }
            "RCPT" if world.switches.get().mail_refuses => reply(&mut stream, "451 try again later").await?,
            "RCPT" if mail.to.len() < RECIPIENTS => {
                mail.to.push(address(&line));
                reply(&mut stream, "250 ok").await?;
            }
            "DATA" if mail.to.is_empty() => reply(&mut stream, "503 no recipient").await?,
            "DATA" => {
                reply(&mut stream, "354 go on").await?;
                match data(&mut stream).await? {
                    Some(data) => {
                        world.record.mail(Mail { data, ..mail.clone() });
                        reply(&mut stream, "250 kept").await?;
                    }
                    None => reply(&mut stream, "552 too large").await?,
                }
                mail = Mail { from: String::new(), to: Vec::new(), data: String::new() };
            }
            "QUIT" => return reply(&mut stream, "221 bye").await,
            _ => reply(&mut stream, "502 not known").await?,
        }
    }
    Ok(())
}

/// One line without its end; `None` when the client is gone. A longer line than allowed is cut.
async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut bounded = stream.take(LINE_BYTES);
    match tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut bytes)).await {
        Ok(Ok(0)) | Err(_) => Ok(None),
        Ok(Ok(_)) => Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())),
        Ok(Err(error)) => Err(error),
    }
}

/// The mail up to the lone full stop, dots unstuffed; `None` when it is too large.
async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut data = String::new();
    let mut fits = true;
    while let Some(line) = line(stream).await? {
        if line == "." {
            return Ok(fits.then_some(data));
        }
        fits = fits && data.len() + line.len() < MAIL_BYTES;
        if fits {
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

fn address(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or("", |(address, _)| address)
        .to_owned()
}

async fn reply(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
}
