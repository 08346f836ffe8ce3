//! The channel: each message as it stands now, with its thread under it.

use std::collections::BTreeSet;

use chrono::DateTime;
use chrono_tz::Tz;
use serde_json::Value;

use super::{blocks, counted, escaped, mrkdwn, older};
use crate::SLACK_CHANNEL;
use crate::record::SlackPost;

pub(super) fn body(total: u64, posts: &[(u64, SlackPost)], zone: Tz) -> String {
    let known: BTreeSet<&str> =
        posts.iter().map(|(_, post)| post.ts.as_str()).filter(|ts| !ts.is_empty()).collect();
    let mut out = format!(
        "<h1># {} <span class=\"aside\">{}</span></h1>",
        escaped(SLACK_CHANNEL),
        counted(total, "message")
    );
    out.push_str(&older(total, posts.len()));
    if posts.is_empty() {
        out.push_str("<p class=\"aside\">Nobody was told anything yet.</p>");
    }
    for (_, post) in posts {
        let parent = post.thread_ts.as_deref();
        match parent.filter(|ts| known.contains(ts)) {
            // The channel sees it between its other messages, too.
            Some(_) if post.broadcast => out.push_str(&message(post, zone, "", Some("replied to a thread"))),
            Some(_) => {}
            None if parent.is_some() => {
                out.push_str(&message(post, zone, "", Some("replied to a thread that is not shown")));
            }
            None => out.push_str(&message(post, zone, &thread(post, posts, zone), None)),
        }
    }
    out
}

/// The replies to a message.
fn thread(of: &SlackPost, posts: &[(u64, SlackPost)], zone: Tz) -> String {
    if of.ts.is_empty() {
        return String::new();
    }
    let replies: Vec<&SlackPost> =
        posts.iter().map(|(_, post)| post).filter(|post| post.thread_ts.as_ref() == Some(&of.ts)).collect();
    if replies.is_empty() {
        return String::new();
    }
    let label = if replies.len() == 1 { "reply" } else { "replies" };
    let shown: String = replies.iter().map(|reply| message(reply, zone, "", None)).collect();
    format!("<div class=\"thread\"><span class=\"aside\">{} {label}</span>{shown}</div>", replies.len())
}

fn message(post: &SlackPost, zone: Tz, thread: &str, note: Option<&str>) -> String {
    let class = if post.broadcast { "message broadcast" } else { "message" };
    let note = note.or_else(|| post.broadcast.then_some("also sent to the channel"));
    let note = note.map(|note| format!(" <span class=\"aside\">{note}</span>")).unwrap_or_default();
    let edited = match post.updates {
        0 => String::new(),
        1 => " <span class=\"edited\">(edited, 1 update in place)</span>".to_owned(),
        n => format!(" <span class=\"edited\">(edited, {n} updates in place)</span>"),
    };
    format!(
        "<div class=\"{class}\"><div class=\"from\"><b>Forebay</b><span class=\"app\">APP</span><time>{}</time>{note}\
         </div>{}{edited}{thread}</div>",
        escaped(&sent_at(post, zone)),
        said(post, zone)
    )
}

/// Where there are blocks, Slack shows them and not the text.
fn said(post: &SlackPost, zone: Tz) -> String {
    match &post.blocks {
        Value::Array(all) if !all.is_empty() => blocks::html(all, zone),
        _ => format!("<div class=\"plain\">{}</div>", mrkdwn::html(&post.text, zone)),
    }
}

/// A message's time stamp begins with its second; a webhook's has none.
fn sent_at(post: &SlackPost, zone: Tz) -> String {
    let seconds = post.ts.split('.').next().and_then(|seconds| seconds.parse().ok());
    match seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
        Some(at) => at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string(),
        None => "by an incoming webhook".to_owned(),
    }
}
