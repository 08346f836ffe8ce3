//! A broker that runs out of memory or disk takes no publishes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use forebay_queue::conformance::scene::{PATIENCE, to};
use forebay_queue::{Broker as _, ConsumeOptions, Link, PublishError, Settlement};
use forebay_schemas::Queue;

use crate::alone;
use crate::support::{Vhost, eventually, setting};

/// What the broker runs short of, for as long as this value lives: also when the test fails, other tests need the
/// broker.
struct Alarm {
    /// RabbitMQ's own default.
    end: [&'static str; 2],
}

impl Alarm {
    fn raise(cause: [&str; 2], end: [&'static str; 2]) -> Self {
        let alarm = Self { end };
        rabbitmqctl(cause);
        alarm
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        rabbitmqctl(self.end);
    }
}

pub(crate) fn rabbitmqctl(arguments: [&str; 2]) {
    let mut command = std::process::Command::new(setting("FOREBAY_TEST_RABBITMQCTL"));
    let output = command.args(arguments).output().expect("rabbitmqctl runs");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_out_of_memory_refuses_publishes_at_once_and_takes_acknowledgements() {
    let watermark = "set_vm_memory_high_watermark";
    refuses_and_acknowledges([watermark, "0.00001"], [watermark, "0.4"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_out_of_disk_refuses_publishes_at_once_and_takes_acknowledgements() {
    let limit = "set_disk_free_limit";
    refuses_and_acknowledges([limit, "1000000GB"], [limit, "50MB"]).await;
}

async fn refuses_and_acknowledges(cause: [&str; 2], end: [&'static str; 2]) {
    let _turn = alone().await;
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let batch = (0..20).map(|n| to(&Queue::Rewards, &n.to_string())).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 5 });

    let alarm = Alarm::raise(cause, end);
    // The broker says so only to a connection that publishes: the first one finds out.
    let mut unknown = Vec::new();
    eventually("the link is blocked", || {
        unknown.push(format!("probe-{}", unknown.len()));
        let probe = to(&Queue::Results, unknown.last().unwrap());
        let (publisher, link) = (broker.publisher(), || broker.link());
        async move {
            let _ = publisher.publish(vec![probe]).await;
            matches!(link(), Link::Blocked(_))
        }
    })
    .await;

    let began = Instant::now();
    for n in 0..200 {
        let refused = broker.publisher().publish(vec![to(&Queue::Results, &format!("refused-{n}"))]).await;
        assert!(matches!(refused[0], Err(PublishError::Unavailable(_))), "{refused:?}");
    }
    // Each of them would wait for its deadline otherwise.
    assert!(began.elapsed() < Duration::from_secs(20), "refusing 200 took {:?}", began.elapsed());

    let mut acknowledged = 0;
    while acknowledged < 20 {
        let held = tokio::time::timeout(PATIENCE, consumer.receive(5, Duration::ZERO)).await.unwrap();
        let settled = consumer.settle(held.iter().map(|d| (d.receipt, Settlement::Ack)).collect()).await;
        assert!(settled.iter().all(Result::is_ok), "{settled:?}");
        acknowledged += settled.len();
    }

    drop(alarm);
    eventually("the link is up", || async { broker.link() == Link::Up }).await;
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Results, "after")]).await, [Ok(())]);
    let after = u64::try_from(unknown.len()).unwrap() + 1;
    eventually("nothing that was refused was sent later", || async {
        // What was refused would be 200 more; the probes may or may not have been taken.
        broker.depth(&Queue::Results).await.is_ok_and(|depth| (1..=after).contains(&depth.ready))
    })
    .await;
    assert!(broker.stats().figures().blocked >= 1);
    broker.close().await;
    vhost.remove().await;
}
