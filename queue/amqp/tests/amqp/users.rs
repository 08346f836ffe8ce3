//! Least privilege: each user may do what its roles do, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use forebay_queue::conformance::scene::{ids, receive, receive_all, to, topology};
use forebay_queue::{Broker as _, ConsumeOptions, Message, Outgoing, Settlement};
use forebay_queue_amqp::{AmqpBroker, USERS, User};
use forebay_schemas::{Queue, Route, Tier};
use futures::future::join_all;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

use crate::support::{Vhost, options, patient};

/// The address of a vhost for one user, made there with its rights.
async fn signed_in(vhost: &Vhost, user: &User) -> url::Url {
    let name = format!("{}-{}", user.name, vhost.name);
    vhost.management.put(&format!("/api/users/{name}"), r#"{"password":"s3cret","tags":""}"#).await;
    let rights = serde_json::json!({ "configure": user.configure, "write": user.write, "read": user.read })
        .to_string();
    vhost.management.put(&format!("/api/permissions/{}/{name}", vhost.name), &rights).await;
    let mut url = vhost.url.clone();
    url.set_username(&name).unwrap();
    url.set_password(Some("s3cret")).unwrap();
    url
}

async fn remove(vhost: &Vhost) {
    for user in USERS {
        let path = format!("/api/users/{}-{}", user.name, vhost.name);
        let (status, _) = vhost.management.call("DELETE", &path, "").await;
        assert!(matches!(status, 204 | 404));
    }
    vhost.remove().await;
}

fn named(name: &str) -> User {
    USERS.into_iter().find(|user| user.name == name).unwrap()
}

fn event(route: Route, id: &str) -> Outgoing {
    let Outgoing { message, .. } = to(&Queue::Rewards, id);
    Outgoing { route, message: Message { id: id.to_owned(), ..message } }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_its_work_with_the_rights_of_its_user() {
    let vhost = Vhost::fresh().await;
    let sign_in = async |name: &str| {
        AmqpBroker::connect(patient(options(signed_in(&vhost, &named(name)).await.as_str())))
    };

    let deploy = sign_in("forebay-deploy").await;
    deploy.declare(&topology()).await.expect("deploy declares");
    deploy.declare(&topology()).await.expect("deploy declares again");

    let accept = sign_in("forebay-accept").await;
    accept.check(&topology()).await.expect("accept sees whether the topology is there");
    let shop = sign_in("forebay-shop").await;
    let order = || Route::Event("order.paid.v1".to_owned());
    let accepted = vec![event(order(), "order"), event(Route::Work(Queue::Rewards), "claim")];
    assert_eq!(accept.publisher().publish(accepted).await, [Ok(()), Ok(())]);
    assert_eq!(shop.publisher().publish(vec![event(order(), "straight")]).await, [Ok(())]);

    let work = sign_in("forebay-work").await;
    work.check(&topology()).await.expect("work sees whether the topology is there");
    assert_eq!(work.depth(&Queue::Rewards).await.expect("work sees how full a queue is").ready, 3);
    let consumer = work.consume(Queue::Rewards, ConsumeOptions { prefetch: 10 });
    let held = receive_all(&consumer, 3).await;
    assert_eq!(
        ids(&held).into_iter().collect::<BTreeSet<_>>(),
        ["claim", "order", "straight"].map(Into::into).into()
    );
    let published = vec![
        event(Route::Delay(Tier::S5, Queue::Rewards), "later"),
        event(Route::Work(Queue::Dead), "dead"),
        event(Route::Work(Queue::Results), "command"),
        event(Route::Fact("points.changed.v1".to_owned()), "fact"),
        event(order(), "replayed"),
    ];
    assert_eq!(work.publisher().publish(published).await, [const { Ok(()) }; 5]);
    let acks = held.iter().map(|delivery| (delivery.receipt, Settlement::Ack)).collect();
    assert!(consumer.settle(acks).await.iter().all(Result::is_ok));
    // Everything else that is worked on, or drained into the archive, can be consumed, too.
    for queue in topology().queues().into_iter().filter(|q| !matches!(q, Queue::Delay(_) | Queue::Rewards)) {
        let probe = event(Route::Work(queue.clone()), &format!("to {queue}"));
        assert_eq!(work.publisher().publish(vec![probe]).await, [Ok(())]);
        let consumer = work.consume(queue.clone(), ConsumeOptions { prefetch: 10 });
        assert!(!receive(&consumer, 1).await.is_empty(), "{queue}");
    }
    let api = sign_in("forebay-api").await;
    api.check(&topology()).await.expect("api sees whether the topology is there");
    for queue in topology().queues() {
        api.depth(&queue).await.unwrap_or_else(|error| panic!("api can't tell how full {queue} is: {error}"));
    }
    join_all([deploy, accept, api, shop, work].map(|broker| async move { broker.close().await })).await;
    remove(&vhost).await;
}

/// What somebody with a password could try, on a channel of its own each, since a refusal closes the channel.
const ATTEMPTS: &[&str] = &[
    "publish forebay.events",
    "publish forebay.work",
    "publish forebay.facts",
    "publish forebay.delay.5s",
    "publish forebay.dead",
    "publish forebay.unrouted",
    "publish amq.direct",
    // The default exchange reaches every queue by its name.
    "publish ",
    "consume forebay.returns",
    "consume forebay.rewards",
    "consume forebay.tracking.carrier-one",
    "consume forebay.pushes",
    "consume forebay.notices",
    "consume forebay.delay.5s",
    "consume forebay.dead",
    "consume forebay.unrouted",
    "purge forebay.rewards",
    "purge forebay.delay.5s",
    "declare forebay.mine",
    "declare mine",
    "exchange forebay.mine",
    "exchange mine",
    "bind forebay.rewards",
    "delete forebay.results",
];

async fn attempt(channel: &Channel, what: &str) -> lapin::Result<()> {
    let (verb, name) = what.split_once(' ').unwrap();
    let name = name.into();
    let nothing = FieldTable::default;
    match verb {
        "publish" => {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let published = channel
                .basic_publish(
                    name,
                    "forebay.nobody".into(),
                    BasicPublishOptions::default(),
                    b"{}",
                    BasicProperties::default(),
                )
                .await?;
            published.await.map(|_| ())
        }
        "consume" => channel
            .basic_consume(name, "".into(), BasicConsumeOptions::default(), nothing())
            .await
            .map(|_| ()),
        "purge" => channel.queue_purge(name, QueuePurgeOptions::default()).await.map(|_| ()),
        "declare" => channel.queue_declare(name, QueueDeclareOptions::default(), nothing()).await.map(|_| ()),
        "exchange" => {
            let options = ExchangeDeclareOptions::default();
            channel.exchange_declare(name, ExchangeKind::Fanout, options, nothing()).await
        }
        "bind" => {
            let options = QueueBindOptions::default();
            channel.queue_bind(name, "forebay.events".into(), "#".into(), options, nothing()).await
        }
        "delete" => channel.queue_delete(name, QueueDeleteOptions::default()).await.map(|_| ()),
        _ => unreachable!("{verb} is no verb of this test"),
    }
}

/// What of all the attempts the user may do.
async fn allowed(vhost: &Vhost, user: &User) -> Vec<&'static str> {
    let url = signed_in(vhost, user).await;
    let connection = Connection::connect(url.as_str(), ConnectionProperties::default()).await.unwrap();
    let mut allowed = Vec::new();
    for what in ATTEMPTS {
        let channel = connection.create_channel().await.unwrap();
        match attempt(&channel, what).await {
            Ok(()) => allowed.push(*what),
            Err(error) => {
                let refusal = error.to_string();
                assert!(refusal.contains("ACCESS_REFUSED"), "{}: {what}: {refusal}", user.name);
            }
        }
    }
    // A channel that was refused may still be closing; the connection goes either way.
    let _ = connection.close(200, "".into()).await;
    allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_can_do_what_its_roles_do_not() {
    let vhost = Vhost::fresh().await;
    vhost.broker().await.close().await;
    assert_eq!(allowed(&vhost, &named("forebay-shop")).await, ["publish forebay.events"]);
    let accept = allowed(&vhost, &named("forebay-accept")).await;
    assert_eq!(accept, ["publish forebay.events", "publish forebay.work"]);
    let api = allowed(&vhost, &named("forebay-api")).await;
    assert!(api.iter().all(|what| what.starts_with("publish forebay.")), "{api:?}");
    let work = allowed(&vhost, &named("forebay-work")).await;
    assert_eq!(
        work,
        [
            "publish forebay.events",
            "publish forebay.work",
            "publish forebay.facts",
            "publish forebay.delay.5s",
            "consume forebay.returns",
            "consume forebay.rewards",
            "consume forebay.tracking.carrier-one",
            "consume forebay.pushes",
            "consume forebay.notices",
            "consume forebay.dead",
            "consume forebay.unrouted",
            "purge forebay.rewards",
        ]
    );
    let deploy = allowed(&vhost, &named("forebay-deploy")).await;
    for what in ["publish amq.direct", "publish ", "declare mine", "exchange mine"] {
        assert!(!deploy.contains(&what), "deploy may {what}");
    }
    remove(&vhost).await;
}
