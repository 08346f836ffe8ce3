//! One POST over plain HTTP/1.1.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::pushes::messages::Message;

/// Who has not answered by then has not taken it.
const DEADLINE: Duration = Duration::from_secs(10);

/// The status of the answer.
pub(crate) async fn post(message: &Message) -> io::Result<u16> {
    tokio::time::timeout(DEADLINE, exchange(message)).await.map_err(io::Error::from)?
}

async fn exchange(message: &Message) -> io::Result<u16> {
    let url = &message.url;
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::post(path)
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::from(message.body.clone())).map_err(io::Error::other)?;
    let answered = sender.send_request(request).await.map_err(io::Error::other);
    connection.abort();
    Ok(answered?.status().as_u16())
}
