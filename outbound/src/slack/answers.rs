//! What Slack's answers mean, after its pages on incoming webhooks, `chat.postMessage`, `chat.update` and rate
//! limits.

use forebay_domain::incident::SlackRef;
use serde_json::Value;

use super::{SlackError, wait_of};
use crate::http::Answer;

/// Most characters of a code that is passed on.
const CODE_CHARS: usize = 64;

/// The answer of an incoming webhook: `ok`, or a code as plain text.
pub(super) fn of_webhook(answer: &Answer) -> Result<(), SlackError> {
    let text = std::str::from_utf8(&answer.body).unwrap_or("").trim();
    match answer.status {
        200 if text == "ok" => Ok(()),
        429 => Err(SlackError::RateLimited { after: wait_of(answer) }),
        500.. => Err(SlackError::Transient(format!("status {}", answer.status))),
        400..500 => Err(refused(&word(text).unwrap_or_else(|| format!("status_{}", answer.status)), answer)),
        // A 200 that is not `ok`, or a redirect: something stands between us and Slack.
        other => Err(SlackError::Transient(format!("status {other} with an answer that is not Slack's"))),
    }
}

/// The answer of the Web API to a message: its place.
pub(super) fn of_bot(answer: &Answer) -> Result<SlackRef, SlackError> {
    let body = of_api(answer)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match (text("channel"), text("ts")) {
        (Some(channel), Some(ts)) => Ok(SlackRef { channel: channel.to_owned(), ts: ts.to_owned() }),
        _ => Err(SlackError::Transient("an ok without channel and ts".to_owned())),
    }
}

/// A page of a channel's or a thread's messages.
pub(super) struct Page {
    pub(super) messages: Vec<Value>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

/// The answer to a question for messages.
pub(super) fn of_history(answer: &Answer) -> Result<Page, SlackError> {
    let mut body = of_api(answer)?;
    let next = body["response_metadata"]["next_cursor"].as_str().filter(|next| !next.is_empty());
    let next = next.map(str::to_owned);
    match body["messages"].take() {
        Value::Array(messages) => Ok(Page { messages, next }),
        _ => Err(SlackError::Transient("an ok without messages".to_owned())),
    }
}

/// An answer of the Web API that says `ok`: JSON with that, or with `error`.
fn of_api(answer: &Answer) -> Result<Value, SlackError> {
    match answer.status {
        429 => return Err(SlackError::RateLimited { after: wait_of(answer) }),
        500.. => return Err(SlackError::Transient(format!("status {}", answer.status))),
        _ => {}
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let error = body.get("error").and_then(Value::as_str);
    match (body.get("ok").and_then(Value::as_bool), error) {
        (Some(true), _) => Ok(body),
        (Some(false), Some(error)) => Err(refused(&word(error).unwrap_or_default(), answer)),
        _ if (400..500).contains(&answer.status) => Err(permanent(&format!("status_{}", answer.status))),
        _ => Err(SlackError::Transient(format!("status {} without Slack's JSON", answer.status))),
    }
}

/// The earlier message is gone or too old: a new one has to do.
pub(super) fn can_not_be_changed(code: &str) -> bool {
    matches!(code, "message_not_found" | "cant_update_message" | "edit_window_closed")
}

/// The thread to answer in is gone, or takes no answers: a message has to do.
pub(super) fn has_no_thread(code: &str) -> bool {
    matches!(
        code,
        "thread_not_found"
            | "message_not_found"
            | "restricted_action_thread_locked"
            | "cannot_reply_to_message"
    )
}

/// A refusal that stays until somebody mends it.
pub(super) fn permanent(code: &str) -> SlackError {
    SlackError::Permanent { code: code.to_owned(), advice: advice(code) }
}

fn refused(code: &str, answer: &Answer) -> SlackError {
    match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            SlackError::RateLimited { after: wait_of(answer) }
        }
        // A fatal error may have partly succeeded; a second message is better than none.
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "rollup_error"
        | "team_added_to_org" => SlackError::Transient(code.to_owned()),
        _ => permanent(code),
    }
}

/// The code, if the text is one.
fn word(text: &str) -> Option<String> {
    let is_code = !text.is_empty()
        && text.len() <= CODE_CHARS
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_code.then(|| text.to_owned())
}

fn advice(code: &str) -> &'static str {
    match code {
        "channel_not_found" => {
            "the channel does not exist, or the bot may not see it; check slack.channel (an id, C…), invite the bot"
        }
        "not_in_channel" => "invite the bot to the channel",
        "is_archived" | "channel_is_archived" => "the channel is archived; restore it or choose another",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "the bot token is not valid (any more); install the app again and set the new token"
        }
        "missing_scope" | "no_permission" | "not_allowed_token_type" => {
            "give the app the scope chat:write and install it again"
        }
        "no_service" | "no_service_id" | "no_team" | "team_disabled" | "invalid_token" | "status_404" => {
            "the incoming webhook was removed; make a new one and set its address"
        }
        "action_prohibited" | "posting_to_general_channel_denied" | "restricted_action" => {
            "an administrator of the workspace does not let the app post here"
        }
        "user_not_found" => "the webhook's owner is gone; make a new one and set its address",
        "msg_too_long" | "msg_blocks_too_long" => "the message is too long; report this",
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_payload"
        | "no_text"
        | "missing_text_or_fallback_or_attachments" => "Slack can't read the message; report this",
        "message_not_found" | "cant_update_message" | "edit_window_closed" => {
            "the earlier message can't be changed any more"
        }
        "ekm_access_denied" | "enterprise_is_restricted" | "access_denied" | "org_login_required" => {
            "the organisation's settings keep the app out; ask its administrator"
        }
        "two_factor_setup_required" => "the account that installed the app needs two-factor login; set it up",
        "accesslimited" | "ip_restricted" => {
            "the workspace does not let this machine's address in; add it there"
        }
        "deprecated_endpoint" | "method_deprecated" => {
            "Slack no longer has this method; a newer release is needed"
        }
        "invalid_json"
        | "json_not_object"
        | "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_charset"
        | "invalid_post_type"
        | "missing_post_type"
        | "too_many_attachments" => "Slack can't read the call; report this",
        "thread_not_found" | "cannot_reply_to_message" => "the thread of the earlier message is gone",
        "bad_address" => "the address of the webhook or of the API is not a URL; correct the setting",
        "host_not_allowed" => "Slack's host is not on the list of allowed hosts; add it",
        c if c.starts_with("restricted_action") => "a rule of the workspace forbids the app to post here",
        _ => "look the code up on Slack's page of chat.postMessage or of incoming webhooks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_that_slack_documents_for_these_calls_says_what_to_do() {
        let unknown = advice("no_such_code");
        for code in [
            "channel_not_found",
            "not_in_channel",
            "is_archived",
            "channel_is_archived",
            "invalid_auth",
            "not_authed",
            "token_revoked",
            "token_expired",
            "account_inactive",
            "missing_scope",
            "no_permission",
            "not_allowed_token_type",
            "no_service",
            "no_team",
            "invalid_token",
            "action_prohibited",
            "posting_to_general_channel_denied",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "user_not_found",
            "msg_too_long",
            "msg_blocks_too_long",
            "invalid_blocks",
            "invalid_blocks_format",
            "invalid_payload",
            "no_text",
            "too_many_attachments",
            "message_not_found",
            "cant_update_message",
            "edit_window_closed",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "access_denied",
            "org_login_required",
            "two_factor_setup_required",
            "deprecated_endpoint",
            "method_deprecated",
            "accesslimited",
        ] {
            assert_ne!(advice(code), unknown, "{code}");
        }
    }
}
