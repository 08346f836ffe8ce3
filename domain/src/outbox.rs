//! What follows from an effect: messages written in its transaction, published by the relay.

use chrono::{DateTime, Utc};
use forebay_schemas::trail::{Headers, TRACE_LINKS};
use forebay_schemas::{Event, EventData, Route};

/// The CloudEvents `source` of everything that Forebay says itself.
pub const SOURCE: &str = "/forebay";

/// A message to be published after the transaction.
#[derive(Debug, Clone)]
pub struct NewOutbox {
    /// Where it goes.
    pub route: Route,
    /// What it says.
    pub event: Event,
    /// Not before.
    pub due_at: DateTime<Utc>,
    /// The trace contexts of its causes, when it has several.
    pub links: Vec<String>,
}

impl NewOutbox {
    /// A command to one of our own queues, at once.
    pub fn command<D: EventData>(id: impl Into<String>, route: Route, now: DateTime<Utc>, data: &D) -> Self {
        Self { route, event: Event::of(id, SOURCE, now, data), due_at: now, links: Vec::new() }
    }

    /// A fact for whoever listens.
    pub fn fact<D: EventData>(id: impl Into<String>, now: DateTime<Utc>, data: &D) -> Self {
        let route = Route::Fact(D::TYPE.name().to_owned());
        Self { route, event: Event::of(id, SOURCE, now, data), due_at: now, links: Vec::new() }
    }

    /// The headers beside those that every message has.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let links = (!self.links.is_empty()).then(|| (TRACE_LINKS.to_owned(), self.links.join(",")));
        links.into_iter().collect()
    }
}
