//! Declaring the topology, checking it, and asking how full a queue is.

use std::time::Duration;

use forebay_queue::{BrokerError, Depth};
use forebay_schemas::Queue;
use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::dial;
use crate::link::{Link, Live};
use crate::topology::{Argument, Binding, Exchange, Objects, QueueObject};

/// Longest wait for the broker's answer to one request. Declaring a quorum queue elects a leader first.
const ANSWER_BOUND: Duration = Duration::from_secs(15);

/// Declares every object and, when all are there, the marker.
pub(crate) async fn declare(link: &Link, objects: &Objects) -> Result<(), BrokerError> {
    let channel = channel(link).await?;
    for exchange in &objects.exchanges {
        answer(declare_exchange(&channel, exchange)).await.map_err(|e| told(e, &exchange.to_string()))?;
    }
    for queue in &objects.queues {
        answer(declare_queue(&channel, queue)).await.map_err(|e| told(e, &queue.to_string()))?;
    }
    for binding in &objects.bindings {
        answer(bind(&channel, binding)).await.map_err(|e| told(e, &binding.to_string()))?;
    }
    let marker = QueueObject { name: objects.marker.clone(), arguments: Vec::new() };
    answer(declare_queue(&channel, &marker)).await.map_err(|e| told(e, &marker.to_string()))
}

/// Looks for the marker.
pub(crate) async fn check(link: &Link, objects: &Objects) -> Result<(), BrokerError> {
    let channel = channel(link).await?;
    match answer(look_at(&channel, &objects.marker)).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == Some(404) => Err(BrokerError::Topology(format!(
            "the queues are not declared as this release needs them ({} is missing): run `forebay topology apply`",
            objects.marker
        ))),
        Err(error) => Err(told(error, &objects.marker)),
    }
}

/// What the broker tells about a queue without taking from it.
pub(crate) async fn depth(link: &Link, queue: &Queue) -> Result<Depth, BrokerError> {
    let channel = channel(link).await?;
    let name = queue.to_string();
    match answer(look_at(&channel, &name)).await {
        Ok(seen) => Ok(Depth {
            ready: u64::from(seen.message_count()),
            unsettled: None,
            oldest: None,
            consumers: Some(seen.consumer_count()),
        }),
        Err(error) if error.code == Some(404) => {
            Err(BrokerError::Topology(format!("there is no queue {name}: run `forebay topology apply`")))
        }
        Err(error) => Err(told(error, &name)),
    }
}

/// A channel of its own for each request: a refusal closes the channel.
async fn channel(link: &Link) -> Result<Channel, BrokerError> {
    let live = link.live().await.map_err(|failure| match failure.refused {
        true => BrokerError::Refused(failure.reason),
        false => BrokerError::Unavailable(failure.reason),
    })?;
    let opened = answer(open(&live)).await;
    opened.map_err(|error| {
        link.suspect();
        BrokerError::Unavailable(error.reason)
    })
}

async fn open(live: &Live) -> lapin::Result<Channel> {
    live.connection.create_channel().await
}

/// What went wrong with a request.
struct Wrong {
    code: Option<u16>,
    reason: String,
}

async fn answer<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, Wrong> {
    match tokio::time::timeout(ANSWER_BOUND, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Wrong { code: dial::code(&error), reason: dial::reason(&error) }),
        Err(_) => Err(Wrong { code: None, reason: format!("no answer within {} s", ANSWER_BOUND.as_secs()) }),
    }
}

fn told(wrong: Wrong, object: &str) -> BrokerError {
    let reason = wrong.reason;
    match wrong.code {
        Some(406) => BrokerError::Topology(format!(
            "the broker has another {object} than this release needs: empty and delete it, then run \
             `forebay topology apply` ({reason})"
        )),
        Some(403) => {
            BrokerError::Refused(format!("the broker's user may not do this with {object}: {reason}"))
        }
        Some(404) => BrokerError::Topology(format!(
            "something that {object} needs is missing: run `forebay topology apply` ({reason})"
        )),
        _ => BrokerError::Unavailable(format!("{object}: {reason}")),
    }
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    if let Some(alternate) = exchange.alternate {
        arguments.insert(short("alternate-exchange")?, AMQPValue::LongString(alternate.into()));
    }
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(short(&exchange.name)?, exchange.kind.clone(), options, arguments).await
}

async fn declare_queue(channel: &Channel, queue: &QueueObject) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-queue-type")?, AMQPValue::LongString("quorum".into()));
    for (name, value) in &queue.arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Number(number) => AMQPValue::LongInt(*number),
        };
        arguments.insert(short(name)?, value);
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(short(&queue.name)?, options, arguments).await.map(drop)
}

async fn bind(channel: &Channel, binding: &Binding) -> lapin::Result<()> {
    let (queue, exchange, key) = (short(&binding.queue)?, short(&binding.exchange)?, short(&binding.key)?);
    channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
}

async fn look_at(channel: &Channel, queue: &str) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(short(queue)?, options, FieldTable::default()).await
}

fn short(text: &str) -> lapin::Result<ShortString> {
    dial::short(text)
}
