//! `parcel …` and `return …`: looked at, checked, collected, sent again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use super::tracking_view::{self as view, word};
use crate::cli::{self, ApiArgs, ParcelCommand, ReturnCommand};
use crate::commands::people::{self, Api};
use crate::exit::{Exit, INTERRUPTED, NOT_FOUND, TRY_LATER};

/// How often a parcel is looked at whose answer is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Items on one page when all are asked for.
const PAGE: u32 = 200;
/// After how much silence somebody who waits is told that it goes on.
const TELL_EVERY: Duration = Duration::from_secs(10);

pub(crate) async fn parcel(args: &ApiArgs, command: ParcelCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        ParcelCommand::Show { carrier, number, json } => {
            let parcel = api.get(&path(&["parcels", &carrier, &closed_up(&number)])?, &[]).await?;
            if json { people::print_json(&parcel) } else { people::print(&view::parcel(&parcel)) }
        }
        ParcelCommand::List { status, carrier, adapter, stopped, limit, all, json } => {
            let stopped = stopped.map(cli::word);
            let query =
                [("status", status), ("carrier", carrier), ("adapter", adapter), ("stopped", stopped)];
            let answer = list(&api, "/v1/parcels", query, limit, all).await?;
            listed(&answer, json, "no parcel is like that", view::parcels)
        }
        ParcelCommand::Track { carrier, number, reason, wait, timeout, json } => {
            let number = closed_up(&number);
            let asked = path(&["parcels", &carrier, &number, "check"])?;
            let answer = api.post_json(&asked, &json!({ "reason": reason })).await?;
            if !wait {
                return if json { people::print_json(&answer) } else { people::print(&view::check(&answer)) };
            }
            people::note(&view::check(&answer));
            let shown = path(&["parcels", &carrier, &number])?;
            let before = answer.get("checks").and_then(Value::as_i64).unwrap_or_default();
            let parcel = tokio::select! {
                parcel = until_answered(&api, &shown, before, timeout.0) => parcel?,
                _ = tokio::signal::ctrl_c() => {
                    let text = "the check goes on; look at the parcel by `forebay parcel show`";
                    return Err(Exit::new(INTERRUPTED, text));
                }
            };
            if json { people::print_json(&parcel) } else { people::print(&view::parcel(&parcel)) }
        }
    }
}

/// A number as people copy it, without the spaces; its hyphens and small letters are the api's business.
fn closed_up(number: &str) -> String {
    number.split_whitespace().collect()
}

pub(crate) async fn returns(args: &ApiArgs, command: ReturnCommand) -> Result<(), Exit> {
    let api = Api::new(args)?;
    match command {
        ReturnCommand::Show { id, json } => {
            let shown = api.get(&path(&["returns", &id])?, &[]).await?;
            if json { people::print_json(&shown) } else { people::print(&view::one_return(&shown)) }
        }
        ReturnCommand::List { state, order, limit, all, json } => {
            let query = [("state", state.map(cli::word)), ("order", order)];
            let answer = list(&api, "/v1/returns", query, limit, all).await?;
            listed(&answer, json, "no return is like that", view::returns)
        }
        ReturnCommand::Collect { reason, json } => {
            let answer = api.post_json("/v1/returns/collect", &json!({ "reason": reason })).await?;
            if json {
                return people::print_json(&answer);
            }
            people::print("the shop is asked for new returns; `forebay return list` shows them as they come")
        }
        ReturnCommand::Resend { id, reason, json } => {
            let body = json!({ "reason": reason });
            let answer = api.post_json(&path(&["returns", &id, "resend"])?, &body).await?;
            if json {
                return people::print_json(&answer);
            }
            let again = answer.get("again").and_then(Value::as_bool).unwrap_or_default();
            let what = if again { "is sent once more" } else { "is sent" };
            let key = word(&answer, "idempotency_key");
            people::print(&format!("the result of {id} {what}, under the key {key}"))
        }
    }
}

/// A path of the api, made of these words whatever they hold.
pub(crate) fn path(words: &[&str]) -> Result<String, Exit> {
    let mut url = Url::parse("http://api/v1").map_err(Exit::failed)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(words);
    }
    // A dot goes up, and nothing is left out.
    if url.path_segments().map_or(0, Iterator::count) != words.len() + 1 || words.contains(&"") {
        return Err(Exit::new(NOT_FOUND, "that can't be an id"));
    }
    Ok(url.path().to_owned())
}

/// A page, or all pages as one.
pub(crate) async fn list<const N: usize>(
    api: &Api,
    path: &str,
    query: [(&str, Option<String>); N],
    limit: u32,
    all: bool,
) -> Result<Value, Exit> {
    let limit = if all { PAGE } else { limit }.to_string();
    let mut asked: Vec<(&str, &str)> =
        query.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    asked.push(("limit", &limit));
    let mut answer = api.get(path, &asked).await?;
    let next = |answer: &Value| answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
    while let Some(cursor) = next(&answer).filter(|_| all) {
        let mut next = api.get(path, &[&asked[..], &[("cursor", cursor.as_str())]].concat()).await?;
        let more = next.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        if let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) {
            items.extend(more.into_iter().flatten());
        }
        answer["more"] = next["more"].take();
        answer["next_cursor"] = next["next_cursor"].take();
    }
    Ok(answer)
}

pub(crate) fn listed(
    answer: &Value,
    json: bool,
    empty: &str,
    rows: fn(&[Value]) -> String,
) -> Result<(), Exit> {
    if json {
        return people::print_json(answer);
    }
    let items = answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        people::note(empty);
        return Ok(());
    }
    people::print(&rows(items))?;
    if answer.get("more").and_then(Value::as_bool) == Some(true) {
        people::note("there are more; narrow the search, raise --limit or take --all");
    }
    Ok(())
}

/// Waits until the carrier has answered once more than before.
async fn until_answered(api: &Api, path: &str, before: i64, patience: Duration) -> Result<Value, Exit> {
    let begun = Instant::now();
    let mut told = begun;
    while begun.elapsed() < patience {
        let parcel = api.get(path, &[]).await?;
        if parcel.get("checks").and_then(Value::as_i64).is_some_and(|checks| checks > before) {
            return Ok(parcel);
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            people::note(&format!("no answer yet, after {} s", begun.elapsed().as_secs()));
        }
        sleep(LOOK_EVERY).await;
    }
    let text = format!(
        "no answer within {} s; the check goes on: look at it by `forebay parcel show`, and at the carrier by `forebay \
         carrier list`",
        patience.as_secs()
    );
    Err(Exit::new(TRY_LATER, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_holds_what_is_said_as_one_word_each() {
        assert_eq!(path(&["parcels", "cj", "6000 1/2"]).unwrap(), "/v1/parcels/cj/6000%201%2F2");
        assert_eq!(path(&["returns", "R?x#y"]).unwrap(), "/v1/returns/R%3Fx%23y");
        for words in [&["returns", ".."][..], &["returns", ""], &["returns", "."]] {
            assert!(path(words).is_err(), "{words:?}");
        }
    }
}
