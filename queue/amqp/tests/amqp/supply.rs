//! What a consumer fetches: it notices when nothing comes that should, and stops when it holds enough.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::conformance::scene::{
    LINGER, acknowledge, id_set, ids, numbered, receive, receive_all, to, topology,
};
use forebay_queue::{Broker as _, ConsumeOptions, Consumer, Link, Outgoing};
use forebay_queue_amqp::{Address, AmqpBroker, StallOptions};
use forebay_schemas::Queue;
use secrecy::SecretString;
use tokio::net::TcpSocket;

use crate::forgetful::Forgetful;
use crate::support::{Vhost, eventually};

async fn nothing_comes_for(consumer: &Arc<dyn Consumer>, watched: Duration) {
    let came = tokio::time::timeout(watched, consumer.receive(1, LINGER)).await;
    assert!(came.is_err(), "nothing was to come, and this did: {came:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_gets_nothing_though_its_queue_is_not_empty_tells_so_and_is_set_up_anew() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let proxy = Forgetful::before(vhost.broker_address()).await;
    let mut options = vhost.options_through(proxy.port);
    options.stall = StallOptions { look: Duration::from_millis(50), silence: Duration::from_secs(1) };
    let broker = AmqpBroker::connect(options);
    let batch = numbered("m", 5).iter().map(|id| to(&Queue::Rewards, id)).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 2 });

    eventually("the consumer tells that it has stalled", || async { consumer.stalled().is_some() }).await;
    let why = consumer.stalled().unwrap();
    assert!(why.starts_with("nothing was delivered of ") && why.contains(" messages that wait"), "{why}");
    eventually("the channel was made anew, then the connection", || async {
        let figures = broker.stats().figures();
        figures.stalled >= 2 && figures.resubscribed >= 2 && figures.reconnects >= 1
    })
    .await;

    proxy.remember();
    let came = receive_all(&consumer, 2).await;
    assert_eq!(consumer.stalled(), None, "it gets what waits again");
    acknowledge(&consumer, &came).await;
    let rest = receive_all(&consumer, 2).await;
    acknowledge(&consumer, &rest).await;
    acknowledge(&consumer, &receive_all(&consumer, 1).await).await;
    let before = broker.stats().figures().stalled;
    nothing_comes_for(&consumer, Duration::from_millis(1500)).await;
    assert_eq!(broker.stats().figures().stalled, before, "an empty queue is no stall");
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_paused_or_full_has_not_stalled() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let mut options = vhost.options();
    options.stall = StallOptions { look: Duration::from_millis(100), silence: Duration::from_secs(2) };
    // Longer than the silence, so that it would tell by then.
    let watched = Duration::from_millis(2_800);
    let broker = AmqpBroker::connect(options);
    let batch = numbered("m", 5).iter().map(|id| to(&Queue::Rewards, id)).collect();
    assert!(broker.publisher().publish(batch).await.iter().all(Result::is_ok));
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 3 });
    let held = receive_all(&consumer, 3).await;
    nothing_comes_for(&consumer, watched).await;
    assert_eq!(consumer.stalled(), None, "its hands are full");
    consumer.pause().await;
    acknowledge(&consumer, &held).await;
    nothing_comes_for(&consumer, watched).await;
    assert_eq!((consumer.stalled(), broker.stats().figures().stalled), (None, 0));
    consumer.resume().await;
    assert_eq!(receive_all(&consumer, 2).await.len(), 2);
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_stops_fetching_at_its_bound_of_bytes_and_goes_on_when_half_is_settled() {
    const BODY: usize = 100 * 1024;
    let large = |id: &String| {
        let mut outgoing: Outgoing = to(&Queue::Rewards, id);
        outgoing.message.body = vec![b'x'; BODY].into();
        outgoing
    };
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    let mut options = vhost.options();
    options.held_bytes = 10 * BODY;
    let broker = AmqpBroker::connect(options);
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 200 });
    let first = numbered("a", 20);
    assert!(broker.publisher().publish(first.iter().map(large).collect()).await.iter().all(Result::is_ok));
    eventually("it holds its fill", || async { broker.stats().figures().filled == 1 }).await;
    let second = numbered("b", 20);
    assert!(broker.publisher().publish(second.iter().map(large).collect()).await.iter().all(Result::is_ok));
    let mut held = Vec::new();
    while let Ok(some) =
        tokio::time::timeout(Duration::from_millis(500), consumer.receive(100, Duration::from_millis(20)))
            .await
    {
        held.extend(some);
    }
    // What was on its way when the bound was reached still came, no more.
    assert!((11..=20).contains(&held.len()), "{} are held", held.len());
    assert!(broker.depth(&Queue::Rewards).await.unwrap().ready >= 20);

    let mut all = Vec::new();
    while all.len() < 40 {
        acknowledge(&consumer, &held).await;
        all.append(&mut held);
        if all.len() < 40 {
            held = receive(&consumer, 7).await;
        }
    }
    assert_eq!(id_set(&all), first.into_iter().chain(second).collect());
    // A quorum queue withholds what is on its way when consuming stops, and counts it as delivered. It comes first the next
    // time, so that this happens to none again and again.
    assert!(all.iter().all(|delivery| delivery.delivery_count <= 1), "given back more than once");
    broker.close().await;
    vhost.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_nodes_one_that_answers_is_enough() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    // Bound, so that nobody else gets the port, and nobody listens.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = held.local_addr().unwrap().port();
    let url = vhost.url.as_str().replace(
        &vhost.broker_address(),
        &format!("127.0.0.1:{dead},{},127.0.0.1:{dead}", vhost.broker_address()),
    );
    let mut options = vhost.options();
    options.addresses = Address::parse_nodes(&SecretString::from(url)).unwrap();
    assert_eq!(options.addresses.len(), 3);
    let broker = AmqpBroker::connect(options);
    assert_eq!(broker.check(&topology()).await, Ok(()));
    eventually("both connections are up", || async { broker.link() == Link::Up }).await;
    assert_eq!(broker.publisher().publish(vec![to(&Queue::Rewards, "m")]).await, [Ok(())]);
    let consumer = broker.consume(Queue::Rewards, ConsumeOptions { prefetch: 1 });
    assert_eq!(ids(&receive(&consumer, 1).await), ["m"]);
    broker.close().await;
    vhost.remove().await;
}
