//! What people were told, as they would see it: the Slack channel and the mailbox, as pages that need nothing else.

mod blocks;
mod mail;
mod mrkdwn;
mod slack;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono_tz::Tz;
use serde::Deserialize;

use crate::world::World;

/// The newest that a page shows.
const SHOWN: usize = 100;
/// Whose clock the reader has, unless `?tz=` says another: the sandbox's shop is in Seoul.
const READERS_ZONE: Tz = Tz::Asia__Seoul;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/slack", get(channel)).route("/mail", get(mailbox))
}

#[derive(Deserialize)]
struct Reader {
    /// The zone of whoever reads.
    tz: Option<Tz>,
}

async fn channel(State(world): State<Arc<World>>, Query(reader): Query<Reader>) -> Response {
    let (total, posts) = world.record.slack_page(None, SHOWN);
    page("Slack", &slack::body(total, &posts, reader.tz.unwrap_or(READERS_ZONE)))
}

async fn mailbox(State(world): State<Arc<World>>) -> Response {
    let (total, mails) = world.record.mail_page(None, SHOWN);
    page("Mail", &mail::body(total, &mails))
}

/// A page that runs nothing, fetches nothing and can't be framed. Styles are inline, since a mail brings its own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

fn page(title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title} · sandbox</title><style>{}</style></head><body>\
         <nav><a href=\"/slack\">Slack</a> <a href=\"/mail\">Mail</a></nav>{body}</body></html>",
        include_str!("style.css")
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

/// So many of them, in words.
fn counted(total: u64, what: &str) -> String {
    format!("{total} {what}{}", if total == 1 { "" } else { "s" })
}

/// How many older ones are not on the page.
fn older(total: u64, shown: usize) -> String {
    let older = total.saturating_sub(shown as u64);
    if older == 0 {
        return String::new();
    }
    format!("<p class=\"aside\">{older} older are not shown; <code>/_control/…?after=0</code> has them.</p>")
}

/// Text that came, harmless between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
