//! `alert …`: incidents listed, looked at, taken on, left in silence.

use std::path::Path;

use forebay_domain::incident::{RULES, RuleOf};
use forebay_domain::watch::Limits;
use serde_json::{Value, json};

use crate::cli::{AlertCommand, ApiArgs, IncidentState, SnoozeArgs};
use crate::commands::alert_test;
use crate::commands::people::{self, Api};
use crate::commands::table::{self, cell};
use crate::config::Config;
use crate::exit::Exit;

const COLUMNS: [&str; 7] = ["id", "severity", "title", "count", "first_seen", "last_seen", "handled"];

pub(crate) async fn run(args: &ApiArgs, file: Option<&Path>, command: AlertCommand) -> Result<(), Exit> {
    let api = || Api::new(args);
    match command {
        // They are in the binary: no api, and no key, is needed.
        AlertCommand::Rules { json } => rules(&Config::load(file)?.alerts.limits, json),
        AlertCommand::List { state, rule, limit, cursor, json } => {
            let state = match state {
                IncidentState::Open => "open",
                IncidentState::Resolved => "resolved",
                IncidentState::Any => "any",
            };
            let (limit, cursor) = (limit.to_string(), cursor.map(|id| id.to_string()));
            let mut query = vec![("state", state), ("limit", limit.as_str())];
            query.extend(rule.as_deref().map(|rule| ("rule", rule)));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut answer = api()?.get("/v1/incidents", &query).await?;
            if !json {
                for item in answer.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
                    item["handled"] = json!(handled(item));
                }
            }
            table::show(&answer, &COLUMNS, json, "there is no such incident")
        }
        AlertCommand::Test { rule, reason, wait, json } => {
            alert_test::run(&api()?, rule, &reason, wait.0, json).await
        }
        AlertCommand::Show { id, json } => {
            shown(&api()?.get(&format!("/v1/incidents/{id}"), &[]).await?, json)
        }
        AlertCommand::Ack { id, reason, json } => {
            let path = format!("/v1/incidents/{id}/ack");
            let view = api()?.post_json(&path, &json!({ "reason": reason })).await?;
            shown(&view, json)?;
            if view.get("unchanged") == Some(&Value::Bool(true)) {
                people::note("somebody had taken it on before; nothing was changed");
            }
            Ok(())
        }
        AlertCommand::Snooze(SnoozeArgs { id, length, until, reason, json }) => {
            let mut body = json!({ "reason": reason });
            if let Some(length) = length {
                body["for_s"] = json!(length.0.as_secs());
            }
            if let Some(until) = until {
                body["until"] = json!(until);
            }
            shown(&api()?.post_json(&format!("/v1/incidents/{id}/snooze"), &body).await?, json)
        }
    }
}

/// The closed list of rules, which is in the binary, and from when on the configuration lets them tell.
fn rules(limits: &Limits, json: bool) -> Result<(), Exit> {
    let runbook = |rule: &RuleOf| format!("docs/runbooks/{}.md", rule.name);
    let threshold = |rule: &RuleOf| {
        limits.of(rule.name).map(|(setting, value)| (format!("alerts.limits.{setting}"), value))
    };
    if json {
        let rules = RULES.iter().map(|rule| {
            let threshold =
                threshold(rule).map(|(setting, value)| json!({ "setting": setting, "value": value }));
            json!({
                "name": rule.name, "severity": rule.severity, "raised_by": rule.raised_by,
                "threshold": threshold, "runbook": runbook(rule),
            })
        });
        return people::print_json(&json!({ "items": rules.collect::<Vec<_>>() }));
    }
    let row = |rule: &RuleOf| {
        let threshold =
            threshold(rule).map_or("-".to_owned(), |(setting, value)| format!("{setting} {value}"));
        vec![
            rule.name.to_owned(),
            rule.severity.as_str().to_owned(),
            rule.raised_by.to_owned(),
            threshold,
            runbook(rule),
        ]
    };
    let columns = ["rule", "severity", "raised by", "threshold", "runbook"];
    people::print(&table::plain(&columns, RULES.iter().map(row)))
}

fn shown(view: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(view);
    }
    people::print(&table::plain(&[], rows(view)))
}

/// An incident in lines of label and text.
fn rows(view: &Value) -> Vec<Vec<String>> {
    let of = |label: &str, name: &str| vec![label.to_owned(), cell(view.get(name))];
    vec![
        of("incident", "id"),
        of("state", "state"),
        of("severity", "severity"),
        of("what", "title"),
        of("so what", "impact"),
        of("now what", "action"),
        of("top error", "sample"),
        of("about", "about"),
        of("occurrences", "count"),
        of("first seen", "first_seen"),
        of("last seen", "last_seen"),
        of("resolved", "resolved_at"),
        of("last told", "told_at"),
        of("told next", "tell_due_at"),
        vec!["handled".to_owned(), handled(view)],
        vec!["runbook".to_owned(), format!("forebay explain {}", cell(view.get("rule")))],
    ]
}

/// Who sees to it, in words.
fn handled(view: &Value) -> String {
    let at = |path: &str| view.pointer(path).map(|value| cell(Some(value)));
    let acked = at("/acknowledged/by").zip(at("/acknowledged/at"));
    let acked = acked.map(|(by, at)| format!("acknowledged by {by}, {at}"));
    let snoozed = at("/snoozed/by").zip(at("/snoozed/until"));
    let snoozed = snoozed.map(|(by, until)| format!("snoozed by {by} until {until}"));
    let silenced = at("/silenced_by/title").zip(at("/silenced_by/id"));
    let silenced = silenced.map(|(title, id)| format!("silenced by {title} ({id})"));
    let parts: Vec<String> = [acked, snoozed, silenced].into_iter().flatten().collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_says_who_sees_to_it_and_where_more_is_written() {
        let open = json!({ "rule": "stock_low", "acknowledged": null, "snoozed": null });
        assert_eq!(handled(&open), "-");
        let seen_to = json!({
            "rule": "stock_low", "title": "a\u{1b}b",
            "acknowledged": { "at": "T", "by": "ops" }, "snoozed": { "at": "T", "by": "kim", "until": "U" },
        });
        assert_eq!(handled(&seen_to), "acknowledged by ops, T; snoozed by kim until U");
        let silent = json!({ "silenced_by": { "id": "7", "title": "The broker takes nothing" } });
        assert_eq!(handled(&silent), "silenced by The broker takes nothing (7)");
        let rows = rows(&seen_to);
        assert!(rows.contains(&vec!["runbook".to_owned(), "forebay explain stock_low".to_owned()]));
        assert!(rows.iter().flatten().all(|text| !text.contains('\u{1b}')), "nothing moves the cursor");
    }
}
