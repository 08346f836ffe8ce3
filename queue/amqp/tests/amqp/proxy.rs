//! A TCP proxy before the broker that cuts or freezes connections at will.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use forebay_queue_amqp::Options;

use crate::support::{Vhost, options, patient};

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cuts: u64,
    frozen: bool,
}

impl Proxy {
    /// Listens on a port of its own.
    pub(crate) async fn before(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, broker)
    }

    pub(crate) fn on(listener: TcpListener, broker: String) -> Self {
        let port = listener.local_addr().expect("a bound port").port();
        let state = Arc::new(watch::Sender::new(State::default()));
        let seen = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, broker.clone(), seen.subscribe()));
            }
        });
        Self { port, state }
    }

    /// Ends every connection there is, wherever in a frame it stands.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// From now on nothing passes, and no connection ends; until `thaw`, and then only new ones pass.
    pub(crate) fn freeze(&self) {
        self.state.send_modify(|state| state.frozen = true);
    }

    pub(crate) fn thaw(&self) {
        self.state.send_modify(|state| state.frozen = false);
    }
}

async fn carry(mut client: TcpStream, broker: String, mut state: watch::Receiver<State>) {
    let Ok(mut server) = TcpStream::connect(broker).await else { return };
    let cuts = state.borrow_and_update().cuts;
    if !state.borrow().frozen {
        tokio::select! {
            // Either end may reset the other at any moment: that is the point.
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = state.changed() => {}
        }
    }
    // Cut, or frozen until the proxy is gone or cuts.
    let _ = state.wait_for(|state| state.cuts > cuts).await;
}

impl Vhost {
    pub(crate) fn broker_address(&self) -> String {
        format!("{}:{}", self.url.host_str().expect("a host"), self.url.port().unwrap_or(5672))
    }

    /// Options that lead through a proxy on this port.
    pub(crate) fn options_through(&self, port: u16) -> Options {
        let mut url = self.url.clone();
        url.set_host(Some("127.0.0.1")).expect("a host can be set");
        url.set_port(Some(port)).expect("a port can be set");
        patient(options(url.as_str()))
    }
}
