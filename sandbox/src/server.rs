//! The world as one HTTP server and one SMTP server, on a thread of its own: it is outside, so whoever keeps the
//! caller's threads busy neither delays it nor blurs the instants at which it sees calls arrive.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::carriers::CarrierName;
use crate::faults::Faults;
use crate::options::Options;
use crate::pushes::Push;
use crate::record::Record;
use crate::world::World;
use crate::{carriers, control, control_carriers, http, pages, pushes, shop, slack, slack_history, smtp};

const BODY_BYTES: usize = 1024 * 1024;

/// A running world. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    http: SocketAddr,
    smtp: SocketAddr,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Sandbox {
    /// Starts it and returns when it can be called.
    ///
    /// # Errors
    /// When an address can't be listened on, or there is no thread to be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let world = Arc::new(World::new(options));
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (ready, bound) = oneshot::channel();
        let thread = std::thread::Builder::new().name("sandbox".to_owned());
        let (its_world, its_stop, its_end) = (Arc::clone(&world), stop.clone(), ended.clone());
        thread.spawn(move || {
            let _end = its_end.drop_guard();
            run(its_world, its_stop, ready);
        })?;
        let (http, smtp) = bound.await.map_err(io::Error::other)??;
        Ok(Self { world, http, smtp, stop, ended })
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

    /// Puts returns into the shop's returns API, as they are; `false`, and none of them, when it would hold too many.
    #[must_use]
    pub fn add_returns(&self, returns: Vec<Value>) -> bool {
        self.world.add_returns(returns)
    }

    /// Moves a parcel's journey on by one step; carriers that push tell of it.
    pub fn advance(&self, number: &str) {
        self.world.advance(number);
    }

    /// Has a carrier push its parcels' news to this address; `None` ends it. The secret is the carrier's default one
    /// unless another is given. `false` when the address can't be called: plain HTTP only.
    #[must_use]
    pub fn set_webhook(&self, name: CarrierName, url: Option<&str>, secret: Option<&str>) -> bool {
        self.world.set_webhook(name, url, secret)
    }

    /// Has a carrier push how a parcel stands; `false` when nobody follows it there.
    #[must_use]
    pub fn push(&self, name: CarrierName, number: &str) -> bool {
        self.world.order_push(name, number)
    }

    /// The attempts to push; the last 20,000.
    #[must_use]
    pub fn pushes(&self) -> Vec<Push> {
        self.world.pushes.all()
    }

    /// Every token that a carrier gave is good no more, whatever was promised.
    pub fn forget_tokens(&self, name: CarrierName) {
        self.world.forget_tokens(name);
    }

    /// A carrier counts its day's calls from 0 again.
    pub fn new_day(&self, name: CarrierName) {
        self.world.record.counts(name).new_day();
    }

    /// Stops it. Calls under way and idle connections are cut off: the world owes nobody an answer.
    pub async fn stop(self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Ready = oneshot::Sender<io::Result<(SocketAddr, SocketAddr)>>;

/// Lives until the stop; the end of the runtime ends all its tasks.
fn run(world: Arc<World>, stop: CancellationToken, ready: Ready) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Who does not wait any more needs no answer, here and below.
            let _ = ready.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match bind(&world.options).await {
            Ok((http, smtp, addresses)) => {
                if ready.send(Ok(addresses)).is_err() {
                    return;
                }
                tokio::select! {
                    () = http::serve(http, routes(Arc::clone(&world))) => {}
                    () = smtp::serve(smtp, Arc::clone(&world)) => {}
                    () = pushes::run(world) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

async fn bind(options: &Options) -> io::Result<(TcpListener, TcpListener, (SocketAddr, SocketAddr))> {
    let http = TcpListener::bind(options.listen).await?;
    let smtp = TcpListener::bind(options.smtp).await?;
    let addresses = (http.local_addr()?, smtp.local_addr()?);
    Ok((http, smtp, addresses))
}

fn routes(world: Arc<World>) -> Router {
    Router::new()
        .merge(carriers::routes(&world))
        .merge(shop::routes())
        .merge(slack::routes())
        .merge(slack_history::routes())
        .merge(control::routes())
        .merge(control_carriers::routes())
        .merge(pages::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(world)
}
