//! `alert …`: incidents listed, looked at, taken on, left in silence.

use std::path::Path;

use chrono::NaiveTime;
use forebay_domain::incident::{AlertRule, RULES, RuleOf};
use serde_json::{Value, json};

use crate::cli::{AlertCommand, ApiArgs, IncidentState, SnoozeArgs};
use crate::commands::alert_test;
use crate::commands::people::{self, Api};
use crate::commands::table::{self, cell};
use crate::config::{Alerts, Config};
use crate::exit::Exit;

const COLUMNS: [&str; 7] = ["id", "severity", "title", "count", "first_seen", "last_seen", "handled"];

pub(crate) async fn run(args: &ApiArgs, file: Option<&Path>, command: AlertCommand) -> Result<(), Exit> {
    let api = || Api::new(args);
    match command {
        // They are in the binary: no api, and no key, is needed.
        AlertCommand::Rules { json } => rules(&Config::load(file)?.alerts, json),
        AlertCommand::List { state, rule, limit, cursor, json } => {
            let (state, none) = match state {
                IncidentState::Open => {
                    ("open", "no open incidents match; those that have ended: --state resolved")
                }
                IncidentState::Resolved => ("resolved", "no resolved incidents match"),
                IncidentState::Any => ("any", "no incidents match"),
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
            table::show(&answer, &COLUMNS, json, none)
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
fn rules(alerts: &Alerts, json: bool) -> Result<(), Exit> {
    let runbook = |rule: &RuleOf| format!("docs/runbooks/{}.md", rule.name);
    let threshold = |rule: &RuleOf| threshold(alerts, rule);
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
            threshold(rule).map_or("-".to_owned(), |(setting, value)| format!("{setting} {}", told(&value)));
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

/// A setting's value as it is written in the configuration.
fn told(value: &Value) -> String {
    value.as_f64().map_or_else(|| cell(Some(value)), |number| number.to_string())
}

/// The setting by which it is decided when a rule tells, and its value.
fn threshold(alerts: &Alerts, rule: &RuleOf) -> Option<(String, Value)> {
    let of_day = |at: NaiveTime| json!(at.format("%H:%M").to_string());
    let (setting, value) = match rule.rule {
        AlertRule::ClaimsUnshipped => ("unshipped_after_days", json!(alerts.unshipped_after_days)),
        AlertRule::DailyReport => ("report_at", of_day(alerts.report_at)),
        AlertRule::StockDigest => ("stock_check_at", of_day(alerts.stock_check_at)),
        _ => {
            let (setting, value) = alerts.limits.of(rule.name)?;
            return Some((format!("alerts.limits.{setting}"), json!(value)));
        }
    };
    Some((format!("alerts.{setting}"), value))
}

fn shown(view: &Value, json: bool) -> Result<(), Exit> {
    if json {
        return people::print_json(view);
    }
    people::print(&table::plain(&[], rows(view)))
}

/// An incident in lines of label and text.
fn rows(view: &Value) -> Vec<Vec<String>> {
    let of = |label: &str, name: &str| vec![label.to_owned(), table::text(view.get(name))];
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
    fn rules_are_listed_with_the_settings_that_decide_when_they_tell() {
        let alerts = Config::defaults().unwrap().alerts;
        let of = |rule| {
            let rule = RULES.iter().find(|of| of.rule == rule).unwrap();
            threshold(&alerts, rule).map(|(setting, value)| format!("{setting} {}", told(&value)))
        };
        assert_eq!(of(AlertRule::QueueOld).as_deref(), Some("alerts.limits.queue_old_s 900"));
        assert_eq!(of(AlertRule::ClaimsUnshipped).as_deref(), Some("alerts.unshipped_after_days 7"));
        assert_eq!(of(AlertRule::DailyReport).as_deref(), Some("alerts.report_at 08:00"));
        assert_eq!(of(AlertRule::DeadLetters), None);
    }

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
        let command = format!("forebay dlq replay --group {}", "7".repeat(200));
        let long = json!({ "action": command, "impact": "one\ntwo\u{1b}[2J" });
        let told = rows(&long);
        assert!(told.contains(&vec!["now what".to_owned(), command]), "a command is not cut: {told:?}");
        assert!(told.contains(&vec!["so what".to_owned(), "one\ntwo [2J".to_owned()]), "{told:?}");
        let rows = rows(&seen_to);
        assert!(rows.contains(&vec!["runbook".to_owned(), "forebay explain stock_low".to_owned()]));
        assert!(rows.iter().flatten().all(|text| !text.contains('\u{1b}')), "nothing moves the cursor");
    }
}
