//! The world as one HTTP server and one SMTP server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt as _;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::{Faults, Switches};
use crate::options::Options;
use crate::record::Record;
use crate::{control, shop, slack, smtp, sweettracker};

const BODY_BYTES: usize = 1024 * 1024;

/// What every part of the world shares.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) record: Record,
    pub(crate) switches: Switches,
    pub(crate) returns: Arc<Mutex<Vec<Value>>>,
    count: Arc<AtomicU64>,
}

impl World {
    /// The next number of a sequence, for ids.
    pub(crate) fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed) % 1_000_000
    }

    #[expect(clippy::disallowed_methods, reason = "the outside world has a clock of its own")]
    #[expect(clippy::unused_self, reason = "the world's clock, as seen by its parts")]
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A running world. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    world: World,
    http: SocketAddr,
    smtp: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sandbox {
    /// Starts it and returns when it can be called.
    ///
    /// # Errors
    /// When an address can't be listened on.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let http_listener = TcpListener::bind(options.listen).await?;
        let smtp_listener = TcpListener::bind(options.smtp).await?;
        let (http, smtp) = (http_listener.local_addr()?, smtp_listener.local_addr()?);
        let world = World {
            options,
            record: Record::default(),
            switches: Switches::default(),
            returns: Arc::default(),
            count: Arc::default(),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let routes = Router::new()
            .merge(sweettracker::routes())
            .merge(shop::routes())
            .merge(slack::routes())
            .merge(control::routes())
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .with_state(world.clone());
        let http_stop = stop.clone();
        tasks.spawn(async move {
            let listener = http_listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            // Calls under way are cut off at the stop: the world owes nobody an answer.
            tokio::select! {
                served = async { axum::serve(listener, routes).await } => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the sandbox's HTTP server failed");
                    }
                }
                () = http_stop.cancelled() => {}
            }
        });
        tasks.spawn(smtp::serve(smtp_listener, world.clone(), stop.clone()));
        Ok(Self { world, http, smtp, stop, tasks })
    }

    /// The base address of its HTTP side, without a slash at the end.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The address of its mail server.
    #[must_use]
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// How it was started.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.world.options
    }

    /// What it saw.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.world.record
    }

    /// Makes it misbehave, or behave again.
    pub fn set_faults(&self, faults: Faults) {
        self.world.switches.set(faults);
    }

    /// Stops it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
