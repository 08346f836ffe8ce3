//! One attempt to connect to one node.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::types::ShortString;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use parking_lot::Mutex;

use crate::address::Address;
use crate::options::Options;

/// Most bytes of a broker's own words that we repeat.
const REASON_BYTES: usize = 300;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For people; holds no credentials.
    pub(crate) reason: String,
    /// The broker is there and does not want us: credentials, vhost or rights.
    pub(crate) refused: bool,
}

/// Connects to a node, within [`Options::connect_timeout`] in all.
pub(crate) async fn dial(address: &Address, options: &Options, role: &str) -> Result<Connection, Failure> {
    let socket = Socket::default();
    let attempt = connect(address, options, role, socket.clone());
    match tokio::time::timeout(options.connect_timeout, attempt).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            Err(Failure { reason: format!("{address}: {}", reason(&error)), refused: refusal(&error) })
        }
        Err(_) => {
            // lapin would wait for the handshake for ever, on a thread of its own.
            socket.shut();
            let reason = format!("{address}: no answer within {} s", options.connect_timeout.as_secs_f32());
            Err(Failure { reason, refused: false })
        }
    }
}

async fn connect(
    address: &Address,
    options: &Options,
    role: &str,
    socket: Socket,
) -> lapin::Result<Connection> {
    let mut uri = address.uri();
    let heartbeat = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
    uri.query.heartbeat.get_or_insert(heartbeat);
    let name = format!("{}/{role}", options.connection_name);
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property(short("product")?, "Forebay".into());
    let limit = options.connect_timeout;
    let runtime = lapin::runtime::default_runtime()?;
    let reactor = runtime.clone();
    let open = async move |uri: lapin::uri::AMQPUri, _| {
        // The limit holds here too: this runs on lapin's thread and outlives the attempt that began it.
        let opened = tokio::time::timeout(limit, async {
            let (host, port) = (uri.authority.host.as_str(), uri.authority.port);
            let nodes: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
            let stream = AsyncTcpStream::connect(&reactor, nodes).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                socket.keep(plain.get_ref())?;
            }
            match uri.scheme {
                lapin::uri::AMQPScheme::AMQP => Ok(stream),
                lapin::uri::AMQPScheme::AMQPS => {
                    let tls = OwnedTLSConfig::default();
                    stream.into_tls(host, tls.as_ref()).await
                }
            }
        });
        let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
        opened.await.unwrap_or_else(late).map_err(lapin::Error::from)
    };
    Connection::connector(uri, runtime, open, properties).await
}

/// A second handle of the socket, to end a handshake that hangs.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Option<TcpStream>>>);

impl Socket {
    fn keep(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        *self.0.lock() = Some(TcpStream::from(stream.as_fd().try_clone_to_owned()?));
        Ok(())
    }

    fn shut(&self) {
        if let Some(stream) = self.0.lock().take() {
            // It may be closed already, which is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A short string, which AMQP bounds by 255 bytes; lapin's `From` panics above that.
pub(crate) fn short(text: impl Into<String>) -> lapin::Result<ShortString> {
    ShortString::try_new(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error).into())
}

/// What a broker or a socket said, bounded and in one line.
pub(crate) fn reason(error: &lapin::Error) -> String {
    let text = match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    };
    forebay_schemas::trail::bounded(&text, REASON_BYTES)
}

/// The AMQP reply code that an error carries.
pub(crate) fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// 402 and 530: no such vhost, or not for this user; 403: wrong credentials or rights.
fn refusal(error: &lapin::Error) -> bool {
    matches!(code(error), Some(402 | 403 | 530))
}

/// Closing is a courtesy with a bound: lapin may wait for ever on a connection that is already going.
pub(crate) async fn close(connection: &Connection, bound: Duration) {
    if let Ok(text) = short("closed") {
        let _ = tokio::time::timeout(bound, connection.close(200, text)).await;
    }
}
