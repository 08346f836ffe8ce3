//! A broker out of memory takes no publishes. A test program of its own: the alarm holds for the whole broker.

#[path = "support/steps.rs"]
mod steps;
mod support;

use std::time::{Duration, Instant};

use forebay_queue::conformance::scene::{PATIENCE, to};
use forebay_queue::{Broker as _, ConsumeOptions, Link, PublishError, Settlement};
use forebay_schemas::Queue;
use steps::eventually;
use support::{Vhost, setting};

/// The alarm, for as long as this value lives: also when the test fails, other tests need the broker.
struct Alarm;

impl Alarm {
    fn raise() -> Self {
        watermark("0.00001");
        Self
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // RabbitMQ's own default.
        watermark("0.4");
    }
}

fn watermark(fraction: &str) {
    let mut command = std::process::Command::new(setting("FOREBAY_TEST_RABBITMQCTL"));
    let output = command.args(["set_vm_memory_high_watermark", fraction]).output().expect("rabbitmqctl runs");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_refuses_publishes_at_once_and_takes_acknowledgements() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let batch = (0..20).map(|n| to(&Queue::Rewards, &n.to_string())).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 5 });

    let alarm = Alarm::raise();
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
    assert!(began.elapsed() < Duration::from_secs(1), "refusing 200 took {:?}", began.elapsed());

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
