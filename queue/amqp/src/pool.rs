//! Channels in confirm mode, each for one publish at a time.
//!
//! lapin pairs confirms and returned messages with publishes by their order. With more than one publish in flight
//! on a channel it mispairs them: a message that the broker refused or returned is then reported stored.

use std::sync::Arc;

use lapin::Channel;
use lapin::options::ConfirmSelectOptions;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dial;
use crate::link::Live;

/// The channels that are idle, and permits for as many as there may be.
#[derive(Debug)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    size: u16,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    epoch: u64,
    channel: Channel,
}

/// A channel in use. Dropped without [`Leased::give_back`] the channel is closed and never used again.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) channel: Channel,
    epoch: u64,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(size: u16) -> Arc<Self> {
        let size = size.max(1);
        let permits = Arc::new(Semaphore::new(usize::from(size)));
        Arc::new(Self { permits, size, idle: Mutex::new(Vec::with_capacity(usize::from(size))) })
    }

    /// Most publishes in flight.
    pub(crate) fn size(&self) -> usize {
        usize::from(self.size)
    }

    /// Waits for its turn, first come first served, and takes a channel of this connection.
    pub(crate) async fn lease(self: &Arc<Self>, live: &Live) -> Result<Leased, String> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|error| error.to_string())?;
        let channel = match self.take_idle(live.epoch) {
            Some(channel) => channel,
            None => open(live).await.map_err(|error| dial::reason(&error))?,
        };
        Ok(Leased { channel, epoch: live.epoch, pool: Arc::clone(self), _permit: permit })
    }

    fn take_idle(&self, epoch: u64) -> Option<Channel> {
        let mut idle = self.idle.lock();
        while let Some(last) = idle.pop() {
            if last.epoch == epoch && last.channel.status().connected() {
                return Some(last.channel);
            }
        }
        None
    }
}

impl Leased {
    /// The publish was answered: the channel is clean and may serve the next one.
    pub(crate) fn give_back(self) {
        let Self { channel, epoch, pool, .. } = self;
        pool.idle.lock().push(Idle { epoch, channel });
    }
}

async fn open(live: &Live) -> lapin::Result<Channel> {
    let channel = live.connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}
