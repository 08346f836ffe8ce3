//! Sends pushes, again and again until they are taken.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::carriers::CarrierName;
use crate::faults::pause;
use crate::kept::Kept;
use crate::pushes::messages::{Message, compose};
use crate::pushes::post::post;
use crate::world::World;

/// Most orders that wait, pushes under way, and attempts that are remembered.
const ORDERS_MAX: usize = 50_000;
const UNDER_WAY_MAX: usize = 1_000;
const REMEMBERED: usize = 20_000;
const REMEMBERED_BYTES: usize = 16 * 1024 * 1024;
/// How long a push is held back for another one to go first.
const HELD: Duration = Duration::from_secs(1);

/// An attempt to push something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Push {
    /// Who pushed.
    pub carrier: CarrierName,
    /// The parcel.
    pub tracking_number: String,
    /// The event's id; empty where the carrier has none.
    pub id: String,
    /// Where to.
    pub url: String,
    /// The how-many-eth attempt, from 1.
    pub attempt: u32,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// When it was answered, or given up.
    pub at: DateTime<Utc>,
}

#[derive(Debug)]
struct Order {
    name: CarrierName,
    number: String,
}

#[derive(Debug)]
pub(crate) struct Pushes {
    orders: mpsc::Sender<Order>,
    waiting: Mutex<Option<mpsc::Receiver<Order>>>,
    attempts: Mutex<Kept<Push>>,
}

impl Default for Pushes {
    fn default() -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let attempts = Mutex::new(Kept::new(REMEMBERED, REMEMBERED_BYTES));
        Self { orders, waiting: Mutex::new(Some(waiting)), attempts }
    }
}

impl Pushes {
    pub(crate) fn order(&self, name: CarrierName, number: &str) -> bool {
        self.orders.try_send(Order { name, number: number.to_owned() }).is_ok()
    }

    pub(crate) fn page(&self, after: Option<u64>, limit: usize) -> (u64, Vec<(u64, Push)>) {
        let attempts = self.attempts.lock();
        (attempts.total(), attempts.page(after, limit))
    }

    pub(crate) fn all(&self) -> Vec<Push> {
        self.attempts.lock().all()
    }
}

/// Sends what is ordered; never ends.
pub(crate) async fn run(world: Arc<World>) {
    let Some(mut orders) = world.pushes.waiting.lock().take() else { return };
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut held: Vec<Message> = Vec::new();
    for serial in 1.. {
        let next = if held.is_empty() { Ok(orders.recv().await) } else { timeout(HELD, orders.recv()).await };
        let Ok(next) = next else {
            send(&world, &places, std::mem::take(&mut held)).await;
            continue;
        };
        let Some(order) = next else { return };
        let faults = world.switches.get().of_carrier(order.name);
        let mut turn = Vec::new();
        for message in compose(&world, order.name, &order.number, serial) {
            turn.extend((0..=faults.push_repeats).map(|_| message.clone()));
        }
        if faults.push_out_of_order && held.is_empty() {
            held = turn;
            continue;
        }
        turn.append(&mut held);
        send(&world, &places, turn).await;
    }
}

/// Sends these one after the other; the next one waits for the first attempt of the one before, not for its last.
async fn send(world: &Arc<World>, places: &Arc<Semaphore>, turn: Vec<Message>) {
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
    let world = Arc::clone(world);
    tokio::spawn(async move {
        for message in turn {
            let delay = world.switches.get().of_carrier(message.name).push_delay_ms;
            pause(Duration::from_millis(delay)).await;
            if !attempt(&world, &message, 1).await {
                tokio::spawn(insist(Arc::clone(&world), message));
            }
        }
        drop(place);
    });
}

/// Sends it again until it is taken or the carrier gives up.
async fn insist(world: Arc<World>, message: Message) {
    let (attempts, longest) = patience(message.name);
    for number in 2..=attempts {
        let factor = 1_u32 << (number - 2).min(longest);
        pause(world.options.push_retry.saturating_mul(factor)).await;
        if attempt(&world, &message, number).await {
            return;
        }
    }
}

/// How often it tries, and how often the pause between two attempts doubles.
fn patience(name: CarrierName) -> (u32, u32) {
    match name {
        // 2^n x 30 s, 14 times.
        CarrierName::Aftership => (14, 12),
        // For about a day, with pauses that grow.
        CarrierName::Easypost => (12, 12),
        // Said to go on without end.
        _ => (1_000, 7),
    }
}

/// Whether it was taken.
async fn attempt(world: &World, message: &Message, number: u32) -> bool {
    let status = post(message).await.ok();
    let push = Push {
        carrier: message.name,
        tracking_number: message.number.clone(),
        id: message.id.clone(),
        url: message.url.to_string(),
        attempt: number,
        status,
        at: world.now(),
    };
    let bytes = push.tracking_number.len() + push.id.len() + push.url.len() + 100;
    world.pushes.attempts.lock().push(bytes, push);
    status.is_some_and(|status| (200..300).contains(&status))
}
