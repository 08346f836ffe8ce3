//! Real faults against a real broker: what was confirmed is delivered, and everything comes back by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_queue::conformance::scene::{LINGER, PATIENCE, ids, receive, to, topology};
use forebay_queue::{Broker as _, BrokerError, ConsumeOptions, Consumer, Link, PublishError, Settlement};
use forebay_queue_amqp::{AmqpBroker, TopologyOptions};
use forebay_schemas::{Code, Queue};
use parking_lot::Mutex;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::proxy::Proxy;
use crate::support::{Vhost, eventually, options};

/// Two heartbeats of the default length take longer than this, so that what is noticed within it was noticed by those of
/// a second; on a machine at rest it takes two or three.
const NOTICED_WITHIN: Duration = Duration::from_secs(18);

/// Receives and acknowledges until it is closed, and writes down what came.
fn collect(consumer: Arc<dyn Consumer>) -> Arc<Mutex<HashSet<String>>> {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let notes = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let batch = consumer.receive(100, LINGER).await;
            if batch.is_empty() {
                return;
            }
            notes.lock().extend(batch.iter().map(|delivery| delivery.message.id.clone()));
            // A lost acknowledgement means another delivery, which the set does not mind.
            let _ = consumer.settle(batch.iter().map(|d| (d.receipt, Settlement::Ack)).collect()).await;
        }
    });
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_is_delivered_though_connections_are_cut_all_the_time() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let proxy = Proxy::before(vhost.broker_address()).await;
    let broker = AmqpBroker::connect(vhost.options_through(proxy.port));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 50 });
    let seen = collect(Arc::clone(&consumer));

    let mut confirmed = HashSet::new();
    for round in 0..40 {
        let batch: Vec<_> = (0..100).map(|n| to(&Queue::Rewards, &format!("{round}-{n}"))).collect();
        let names: Vec<_> = batch.iter().map(|outgoing| outgoing.message.id.clone()).collect();
        let publisher = broker.publisher();
        let publishing = tokio::spawn(async move { publisher.publish(batch).await });
        if round % 4 == 1 {
            tokio::time::sleep(Duration::from_millis(round % 7)).await;
            proxy.cut();
        }
        let results = publishing.await.unwrap();
        assert_eq!(results.len(), names.len());
        confirmed.extend(
            names.into_iter().zip(results).filter_map(|(name, result)| result.is_ok().then_some(name)),
        );
        eventually("the link is up again", || async { broker.link() == Link::Up }).await;
    }
    assert!(confirmed.len() >= 1000, "only {} were confirmed", confirmed.len());
    eventually("all that was confirmed was delivered", || async { confirmed.is_subset(&seen.lock()) }).await;
    assert!(broker.stats().figures().reconnects >= 10, "{:?}", broker.stats().figures());
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_after_its_queue_was_deleted_and_declared_again() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let consumer = broker.consume(Queue::Results, ConsumeOptions { prefetch: 10 });
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Results, "before")]).await, [Ok(())]);
    let held = receive(&consumer, 1).await;
    assert_eq!(ids(&held), ["before"]);

    vhost.management.delete(&format!("/api/queues/{}/forebay.results", vhost.name)).await;
    eventually("the consumer noticed", || async { broker.stats().figures().resubscribed > 0 }).await;
    let lost = consumer.settle(vec![(held[0].receipt, Settlement::Ack)]).await;
    assert!(lost[0].is_err(), "a delivery of a queue that is gone was settled");
    let unroutable = broker.publisher().publish(vec![to(&Queue::Results, "nowhere")]).await;
    assert_eq!(unroutable, [Err(PublishError::Unroutable("work:forebay.results".to_owned()))]);

    broker.declare(&topology()).await.unwrap();
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Results, "after")]).await, [Ok(())]);
    assert_eq!(ids(&receive(&consumer, 1).await), ["after"]);
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn started_without_a_broker_it_is_down_and_later_up() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    // Connections are refused until it listens, and nobody else can take the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();

    let broker = AmqpBroker::connect(vhost.options_through(port));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    let refused = broker.publisher().publish(vec![to(&Queue::Rewards, "early")]).await;
    assert!(matches!(refused[0], Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(matches!(broker.link(), Link::Down(_)), "{:?}", broker.link());
    assert!(matches!(broker.check(&topology()).await, Err(BrokerError::Unavailable(_))));

    let _proxy = Proxy::on(socket.listen(1024).unwrap(), vhost.broker_address());
    eventually("the link is up", || async { broker.link() == Link::Up }).await;
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Rewards, "late")]).await, [Ok(())]);
    assert_eq!(ids(&receive(&consumer, 1).await), ["late"]);
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_connections_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut options = options(&format!("amqp://u:s3cret@127.0.0.1:{port}/v"));
    options.connect_timeout = Duration::from_millis(300);
    let broker = AmqpBroker::connect(options);
    // Each attempt must end its socket, or sockets and threads would pile up for as long as the node hangs.
    for _ in 0..4 {
        let (mut socket, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        tokio::time::timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    }
    eventually("the link tells why", || async {
        matches!(broker.link(), Link::Down(why) if why.contains("no answer within 0.3 s"))
    })
    .await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_at_once_and_never_with_the_password() {
    let vhost = Vhost::fresh().await;
    let url = format!("amqp://nobody:s3cret@{}/{}", vhost.broker_address(), vhost.name);
    let broker = AmqpBroker::connect(options(&url));
    let refused = broker.check(&topology()).await;
    let Err(BrokerError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("ACCESS_REFUSED"), "{why}");
    assert!(!format!("{why} {broker:?} {:?}", broker.link()).contains("s3cret"));
    let refused = broker.publisher().publish(vec![to(&Queue::Rewards, "m")]).await;
    assert!(matches!(refused[0], Err(PublishError::Unavailable(_))), "{refused:?}");
    broker.close().await;

    let mut elsewhere = vhost.url.clone();
    elsewhere.set_path("/no-such-vhost");
    let broker = AmqpBroker::connect(options(elsewhere.as_str()));
    assert!(matches!(broker.check(&topology()).await, Err(BrokerError::Refused(_))), "{:?}", broker.link());
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirms_tell_the_truth_when_many_tasks_mix_stored_refused_and_unroutable() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let full = r#"{"pattern":"^forebay\\.results$","apply-to":"queues","definition":{"max-length":50}}"#;
    vhost.management.put(&format!("/api/policies/{}/full", vhost.name), full).await;
    vhost.management.delete(&format!("/api/queues/{}/forebay.notices", vhost.name)).await;

    let tasks = (0..32).map(|task| {
        let publisher = broker.publisher();
        tokio::spawn(async move {
            let queues = [Queue::Rewards, Queue::Results, Queue::Notices];
            let batch = (0..60).map(|n| to(&queues[n % 3], &format!("{task}-{n}"))).collect();
            publisher.publish(batch).await
        })
    });
    let results = futures::future::try_join_all(tasks).await.unwrap();
    let mut stored = [0, 0, 0];
    for (n, result) in results.iter().flat_map(|results| results.iter().enumerate()) {
        match result {
            Ok(()) => stored[n % 3] += 1,
            Err(PublishError::Refused) => assert_eq!(n % 3, 1, "only the full queue refuses"),
            Err(PublishError::Unroutable(_)) => assert_eq!(n % 3, 2, "only the deleted queue is missing"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((stored[0], stored[2]), (640, 0));
    assert!(stored[1] >= 50 && stored[1] < 640, "{stored:?}");
    for (queue, expected) in [(Queue::Rewards, stored[0]), (Queue::Results, stored[1])] {
        eventually("as many are stored as were confirmed", || async {
            broker.depth(&queue).await.is_ok_and(|depth| depth.ready == expected)
        })
        .await;
    }
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_declared_otherwise_is_named_with_the_way_to_mend_it() {
    let vhost = Vhost::fresh().await;
    let broker = AmqpBroker::connect(vhost.options());
    let missing = broker.check(&topology()).await;
    assert!(
        matches!(&missing, Err(BrokerError::Topology(why)) if why.contains("forebay topology apply")),
        "{missing:?}"
    );
    let other = r#"{"durable":true,"arguments":{"x-queue-type":"quorum"}}"#;
    vhost.management.put(&format!("/api/queues/{}/forebay.rewards", vhost.name), other).await;
    let refused = broker.declare(&topology()).await;
    assert!(
        matches!(&refused, Err(BrokerError::Topology(why)) if why.contains("queue forebay.rewards")),
        "{refused:?}"
    );
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_crashes_its_workers_ends_among_the_dead_with_its_origin() {
    let vhost = Vhost::fresh().await;
    let mut options = vhost.options();
    options.topology = TopologyOptions { delivery_limit: 2 };
    let broker = AmqpBroker::connect(options);
    broker.declare(&topology()).await.unwrap();
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Rewards, "poison")]).await, [Ok(())]);
    for before in 0..3 {
        let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 1 });
        let held = receive(&consumer, 1).await;
        assert_eq!((held[0].delivery_count, held[0].redelivered), (before, before > 0));
        // A worker that dies: its channel goes, nothing is settled.
        drop(consumer);
    }
    let archive = broker.consume(Queue::Dead, ConsumeOptions { prefetch: 1 });
    let dead = receive(&archive, 1).await;
    let trail = dead[0].message.trail();
    assert_eq!(ids(&dead), ["poison"]);
    assert_eq!((trail.queue.as_deref(), trail.code), (Some("forebay.rewards"), Some(Code::CrashLoop)));
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_consumer_never_holds_more_than_its_prefetch_and_regains_all_of_it() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let batch = (0..40).map(|n| to(&Queue::Rewards, &n.to_string())).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    let mut held = Vec::new();
    while held.len() < 10 {
        held.extend(receive(&consumer, 10 - held.len()).await);
    }
    consumer.pause().await;
    let settled = consumer.settle(held.drain(..4).map(|d| (d.receipt, Settlement::Ack)).collect()).await;
    assert!(settled.iter().all(Result::is_ok), "what is held while paused can be settled: {settled:?}");
    consumer.resume().await;
    let mut more = Vec::new();
    while more.len() < 4 {
        more.extend(receive(&consumer, 10).await);
    }
    let beyond = tokio::time::timeout(Duration::from_millis(300), consumer.receive(1, LINGER)).await;
    assert!(beyond.is_err(), "more was held than the prefetch allows");
    let settled = consumer.settle(held.drain(..).map(|d| (d.receipt, Settlement::Ack)).collect()).await;
    assert!(settled.iter().all(Result::is_ok), "{settled:?}");
    while more.len() < 10 {
        more.extend(receive(&consumer, 10).await);
    }
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_partition_is_noticed_after_two_heartbeats_and_overcome() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let proxy = Proxy::before(vhost.broker_address()).await;
    let mut options = vhost.options_through(proxy.port);
    options.heartbeat = Duration::from_secs(1);
    options.publish_deadline = Duration::from_secs(3);
    // Attempts on a proxy that is frozen end by this alone.
    options.connect_timeout = Duration::from_secs(5);
    let broker = AmqpBroker::connect(options);
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Rewards, "before")]).await, [Ok(())]);
    let held = receive(&consumer, 1).await;

    proxy.freeze();
    let frozen = Instant::now();
    let unknown = broker.publisher().publish(vec![to(&Queue::Rewards, "into the void")]).await;
    assert_eq!(unknown, [Err(PublishError::Unknown)]);
    eventually("the link is down", || async { matches!(broker.link(), Link::Down(_)) }).await;
    assert!(frozen.elapsed() < NOTICED_WITHIN, "noticed after {:?}", frozen.elapsed());

    proxy.thaw();
    eventually("both connections were made again", || async { broker.stats().figures().reconnects >= 2 })
        .await;
    let lost = consumer.settle(vec![(held[0].receipt, Settlement::Ack)]).await;
    assert!(lost[0].is_err(), "a delivery of the lost connection was settled");
    proxy.cut();
    // The broker must have noticed, too, before it delivers again.
    assert_eq!(ids(&receive(&consumer, 1).await), ["before"]);
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_half_open_connection_holds_is_noticed_within_two_heartbeats_and_delivered_elsewhere() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let proxy = Proxy::before(vhost.broker_address()).await;
    let mut silent = vhost.options_through(proxy.port);
    silent.heartbeat = Duration::from_secs(1);
    silent.connect_timeout = Duration::from_secs(5);
    let silent = AmqpBroker::connect(silent);
    let held_by = silent.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    assert_eq!(silent.publisher().publish(vec![to(&Queue::Rewards, "m")]).await, [Ok(())]);
    assert_eq!(ids(&receive(&held_by, 1).await), ["m"]);

    proxy.freeze();
    let frozen = Instant::now();
    let other = AmqpBroker::connect(vhost.options());
    let consumer = other.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    eventually("the link is down", || async { matches!(silent.link(), Link::Down(_)) }).await;
    assert!(frozen.elapsed() < NOTICED_WITHIN, "noticed after {:?}", frozen.elapsed());
    let held = receive(&consumer, 1).await;
    assert_eq!((ids(&held), held[0].redelivered), (vec!["m"], true));
    assert!(frozen.elapsed() < NOTICED_WITHIN, "delivered elsewhere after {:?}", frozen.elapsed());
    other.close().await;
    silent.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_of_another_release_are_refused_with_a_sentence_and_those_at_work_go_on() {
    let vhost = Vhost::fresh().await;
    let broker = vhost.broker().await;
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    let mut newer = vhost.options();
    newer.topology = TopologyOptions { delivery_limit: 21 };
    let newer = AmqpBroker::connect(newer);
    let missing = newer.check(&topology()).await;
    assert!(
        matches!(&missing, Err(BrokerError::Topology(why)) if why.contains("forebay topology apply")),
        "{missing:?}"
    );
    let refused = newer.declare(&topology()).await;
    let Err(BrokerError::Topology(why)) = &refused else { panic!("{refused:?}") };
    for part in ["the broker has another queue forebay.", "delivery-limit 21", "empty and delete it"] {
        assert!(why.contains(part), "{part:?} is not in: {why}");
    }
    assert!(newer.check(&topology()).await.is_err(), "a refused declaration leaves no marker");

    assert_eq!(broker.check(&topology()).await, Ok(()));
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Rewards, "m")]).await, [Ok(())]);
    assert_eq!(ids(&receive(&consumer, 1).await), ["m"]);
    newer.close().await;
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_that_is_given_up_half_way_costs_no_channel() {
    const CHANNELS: u16 = 4;
    let vhost = Vhost::fresh().await;
    let mut options = vhost.options();
    options.publish_channels = CHANNELS;
    let broker = AmqpBroker::connect(options);
    broker.declare(&topology()).await.unwrap();
    let mut given_up = 0;
    for round in 0..30 {
        let batch = (0..50).map(|n| to(&Queue::Results, &format!("{round}-{n}"))).collect();
        let publisher = broker.publisher();
        let publishing = publisher.publish(batch);
        given_up += u16::from(tokio::time::timeout(Duration::from_millis(1), publishing).await.is_err());
    }
    assert!(given_up > CHANNELS, "only {given_up} were given up, which says nothing");
    let batch = (0..50).map(|n| to(&Queue::Rewards, &n.to_string())).collect();
    assert_eq!(broker.publisher().publish(batch).await, vec![Ok(()); 50]);
    assert_eq!(broker.depth(&Queue::Rewards).await.map(|depth| depth.ready), Ok(50));
    broker.close().await;
    vhost.remove().await;
}
