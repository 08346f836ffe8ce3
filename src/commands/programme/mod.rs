//! `programme …`: checked, applied, looked at, steered.

mod apply;
mod file;
mod view;

use chrono::Days;
use forebay_domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::cli::{ApiArgs, ProgrammeCommand, StateArgs};
use crate::commands::people::{self, Api};
use crate::commands::tracking::path;
use crate::exit::{Exit, FAILED};

/// What `example` prints.
const EXAMPLE: &str = include_str!("example.toml");

pub(crate) async fn run(args: &ApiArgs, command: ProgrammeCommand) -> Result<(), Exit> {
    match command {
        ProgrammeCommand::Check { file } => {
            let (_, draft) = file::read(&file)?;
            let rules = draft.programme.rules.len();
            people::print(&format!("{} is sound, {rules} rules", draft.programme.id))
        }
        ProgrammeCommand::Apply(apply) => apply::run(&Api::new(args)?, apply).await,
        ProgrammeCommand::List { json } => list(&Api::new(args)?, json).await,
        ProgrammeCommand::Show { id, days, json } => show(&Api::new(args)?, &id, days, json).await,
        ProgrammeCommand::Pause(state) => set(&Api::new(args)?, state, "paused").await,
        ProgrammeCommand::Resume(state) => set(&Api::new(args)?, state, "active").await,
        ProgrammeCommand::End(state) => set(&Api::new(args)?, state, "ended").await,
        ProgrammeCommand::Example => people::print(EXAMPLE.trim_end()),
    }
}

async fn list(api: &Api, json: bool) -> Result<(), Exit> {
    let answer = super::tracking::list(api, "/v1/programmes", [], 0, true).await?;
    super::tracking::listed(&answer, json, "there is no programme yet", view::programmes)
}

async fn show(api: &Api, id: &str, days: u16, json: bool) -> Result<(), Exit> {
    let programme = api.get(&path(&["programmes", id])?, &[]).await?;
    // The zone's today may be one day off ours, either way.
    let from = SystemClock.now().date_naive() - Days::new(u64::from(days));
    let from = from.to_string();
    let summary = api.get(&path(&["programmes", id, "summary"])?, &[("from", &from)]).await?;
    if json {
        return people::print_json(&json!({ "programme": programme, "summary": summary }));
    }
    people::print(&view::programme(&programme, &summary))
}

async fn set(api: &Api, StateArgs { id, reason, json }: StateArgs, state: &str) -> Result<(), Exit> {
    let body = json!({ "state": state, "reason": reason });
    let programme = api.post_json(&path(&["programmes", &id, "state"])?, &body).await?;
    if json {
        return people::print_json(&programme);
    }
    let state =
        programme.get("state").and_then(Value::as_str).ok_or_else(|| Exit::new(FAILED, "no answer"))?;
    people::print(&format!("{id} is {state}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_sound_and_says_every_field() {
        let value = file::of_toml(EXAMPLE).unwrap();
        let draft = forebay_domain::programme::read(&value).unwrap();
        let whole = serde_json::to_value(&draft.programme).unwrap();
        for (name, _) in whole.as_object().unwrap() {
            assert!(EXAMPLE.contains(name.as_str()), "{name} is not in the example");
        }
        for name in ["max_per_member", "count_mode", "grace_days", "claim_until", "low_at", "sku", "points"] {
            assert!(EXAMPLE.contains(name), "{name} is not in the example");
        }
    }
}
