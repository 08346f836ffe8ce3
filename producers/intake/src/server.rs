//! The server loop: HTTP/1.1 with bounds on connections and on slow heads, and an end in good order.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most connections at once; further ones wait in the listener's backlog.
const CONNECTIONS: usize = 4096;
/// A connection that has not sent a whole request head by then is closed, idle ones included.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);
/// Most bytes buffered of one connection, and so the longest request head.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long requests under way may take to end after the stop; what is left then is cut off.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Pause after a failed accept: the process is out of file descriptors, and trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves routes until `stop` is done, then lets the requests under way end.
///
/// # Errors
/// When the listener is not usable at all.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    listener.local_addr()?;
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let (stopping, cut_off) = (CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut stop => break,
            next = next(&listener, &connections) => next,
        };
        tasks.spawn(connection(stream, routes.clone(), stopping.clone(), cut_off.clone(), place));
    }
    drop(listener);
    stopping.cancel();
    tasks.close();
    if tokio::time::timeout(STOP_DEADLINE, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "requests were still under way and are cut off");
        cut_off.cancel();
        tasks.wait().await;
    }
    Ok(())
}

/// The next connection, when there is a place for it.
async fn next(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let place = Arc::clone(connections).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer is one small write: waiting to fill a packet would only delay it.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    routes: Router,
    stopping: CancellationToken,
    cut_off: CancellationToken,
    place: Option<OwnedSemaphorePermit>,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(BUFFER_BYTES);
    let service = TowerToHyperService::new(routes);
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut http => ended,
        () = stopping.cancelled() => {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut http => ended,
                () = cut_off.cancelled() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(place);
}
