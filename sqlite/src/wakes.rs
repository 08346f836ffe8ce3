//! Wake-up channels by name: whoever wrote something for others to pick up says so after the commit.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The wake-up channels of one file. A channel comes into being when it is first named; there is one for each
/// queue, and few others.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    channels: Arc<Mutex<HashMap<String, watch::Sender<()>>>>,
}

impl Wakes {
    /// Wakes everybody who listens to this channel.
    pub fn notify(&self, channel: &str) {
        if let Some(sender) = self.channels.lock().get(channel) {
            sender.send_replace(());
        }
    }

    /// Listens to this channel from now on.
    #[must_use]
    pub fn listen(&self, channel: &str) -> Listener {
        let mut channels = self.channels.lock();
        let sender = channels.entry(channel.to_owned()).or_default();
        Listener { receiver: sender.subscribe(), _keeps_open: sender.clone() }
    }
}

/// One listener of a channel.
#[derive(Debug)]
pub struct Listener {
    receiver: watch::Receiver<()>,
    _keeps_open: watch::Sender<()>,
}

impl Listener {
    /// Forgets the wake-ups until now. To be called before looking for work, so that none is missed while looking.
    pub fn reset(&mut self) {
        self.receiver.mark_unchanged();
    }

    /// Waits for a wake-up since the last reset or the last return of this function. Cancel-safe.
    pub async fn woken(&mut self) {
        // The channel can't close while we hold a sender of it.
        let _ = self.receiver.changed().await;
    }
}
