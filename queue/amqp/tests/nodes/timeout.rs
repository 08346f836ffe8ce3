//! A broker waits for an acknowledgement only so long (30 minutes, if nobody sets it otherwise), then it takes the
//! message back and ends the channel or the consumer.

use forebay_queue::conformance::scene::{ids, receive_all, to};
use forebay_queue::{Broker as _, ConsumeOptions, Settlement};
use forebay_schemas::Queue;

use crate::alarms::rabbitmqctl;
use crate::alone;
use crate::support::{Vhost, eventually};

/// The broker's patience, short for as long as this value lives.
struct Impatience;

impl Impatience {
    fn begin() -> Self {
        Self::set("consumer_timeout", "10000");
        // How often it looks; a channel reads this when it opens.
        Self::set("channel_tick_interval", "1000");
        Self
    }

    fn set(name: &str, value: &str) {
        rabbitmqctl(["eval", &format!("application:set_env(rabbit, {name}, {value}).")]);
    }
}

impl Drop for Impatience {
    fn drop(&mut self) {
        Self::set("consumer_timeout", "1800000");
        Self::set("channel_tick_interval", "60000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_for_too_long_is_delivered_again_and_consuming_goes_on() {
    let _alone = alone().await;
    let _impatience = Impatience::begin();
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let published =
        broker.publisher().publish(vec![to(&Queue::Rewards, "one"), to(&Queue::Rewards, "two")]).await;
    assert_eq!(published, [Ok(()), Ok(())]);
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    let held = receive_all(&consumer, 2).await;

    eventually("the broker took them back", || async { broker.stats().figures().resubscribed > 0 }).await;
    let again = receive_all(&consumer, 2).await;
    let (mut before, mut after) = (ids(&held), ids(&again));
    before.sort();
    after.sort();
    assert_eq!(before, after);
    let late = consumer.settle(held.iter().map(|d| (d.receipt, Settlement::Ack)).collect()).await;
    assert!(late.iter().all(Result::is_err), "a delivery that was taken back was settled");
    let settled = consumer.settle(again.iter().map(|d| (d.receipt, Settlement::Ack)).collect()).await;
    assert!(settled.iter().all(Result::is_ok));
    let empty = || async { broker.depth(&Queue::Rewards).await.is_ok_and(|depth| depth.ready == 0) };
    eventually("nothing is left", empty).await;
    broker.close().await;
    vhost.remove().await;
}
