//! What a change of a programme comes to, and what may not change any more.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use forebay_schemas::{ProgrammeId, RewardId, RuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::Fault;
use super::{Programme, ProgrammeState, Reward};

/// One thing that a change changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProgrammeChange")]
pub struct Change {
    /// What, e.g. `rules.five-days.days_required`.
    pub what: String,
    /// What it was; null when it was not there.
    pub before: Value,
    /// What it becomes; null when it is there no more.
    pub after: Value,
}

/// What rests on a programme and on the rewards that a change of it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// The first and the last day with a check-in, voided ones too.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// Rules by which somebody has a reward, or waits for one.
    pub claimed_rules: BTreeSet<RuleId>,
    /// Those of the rewards named that somebody has or waits for, in whatever programme.
    pub granted_rewards: BTreeSet<RewardId>,
    /// Those of the rewards named that exist, as they are.
    pub rewards: BTreeMap<RewardId, Reward>,
    /// Other programmes that give a reward that is named.
    pub shared: BTreeMap<RewardId, BTreeSet<ProgrammeId>>,
}

/// What becomes different. The stock of a reward that has one is not a programme's to change.
#[must_use]
pub fn changes(before: Option<&Programme>, after: &Programme, in_use: &InUse) -> Vec<Change> {
    let (old, new) = (before.map(|b| flat(b, in_use)).unwrap_or_default(), flat(after, in_use));
    let named: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |of: &BTreeMap<String, Value>, what: &str| of.get(what).cloned().unwrap_or(Value::Null);
    let mut changes: Vec<Change> = named
        .into_iter()
        .map(|what| Change { what: what.clone(), before: value(&old, what), after: value(&new, what) })
        .filter(|change| change.before != change.after)
        .collect();
    let order = |programme: &Programme| -> Vec<String> {
        programme.rules.iter().map(|rule| rule.id.to_string()).collect()
    };
    if let Some((old, new)) = before.map(|before| (order(before), order(after)))
        && old != new
        && old.iter().collect::<BTreeSet<_>>() == new.iter().collect()
    {
        changes.push(Change { what: "rules".to_owned(), before: old.into(), after: new.into() });
    }
    changes
}

/// Each value of a programme under its name; rules go by their ids.
fn flat(programme: &Programme, in_use: &InUse) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    let Ok(Value::Object(mut whole)) = serde_json::to_value(programme) else { return flat };
    whole.remove("rules");
    lay_out("", Value::Object(whole), &mut flat);
    for rule in &programme.rules {
        let Ok(mut value) = serde_json::to_value(rule) else { continue };
        if let Some(rule) = value.as_object_mut() {
            rule.remove("id");
        }
        if in_use.rewards.get(&rule.reward.id).is_some_and(|known| known.stock.is_some())
            && let Some(reward) = value.get_mut("reward").and_then(Value::as_object_mut)
        {
            reward.remove("stock");
        }
        lay_out(&format!("rules.{}", rule.id), value, &mut flat);
    }
    flat
}

fn lay_out(name: &str, value: Value, into: &mut BTreeMap<String, Value>) {
    let Value::Object(object) = value else {
        into.insert(name.to_owned(), value);
        return;
    };
    for (key, value) in object {
        let name = if name.is_empty() { key } else { format!("{name}.{key}") };
        lay_out(&name, value, into);
    }
}

/// Why a programme can't become this; empty when it can.
#[must_use]
pub fn refusals(before: Option<&Programme>, after: &Programme, in_use: &InUse) -> Vec<Fault> {
    let mut refused = Vec::new();
    if let Some(before) = before {
        of_days(before, after, in_use, &mut refused);
        of_rules(before, after, in_use, &mut refused);
    }
    let open = before.is_some_and(|before| before.state != ProgrammeState::Draft);
    for (at, rule) in after.rules.iter().enumerate() {
        of_reward(at, &rule.reward, in_use, &mut refused);
        of_stock(at, &rule.reward, open, in_use, &mut refused);
    }
    refused
}

fn of_days(before: &Programme, after: &Programme, in_use: &InUse, refused: &mut Vec<Fault>) {
    let Some((first, last)) = in_use.days else { return };
    let mut refuse = |pointer: &str, detail: String| refused.push(Fault::at(pointer, detail));
    if before.tz != after.tz {
        refuse(
            "/tz",
            format!("the zone is fixed: there are check-ins since {first}; begin another programme"),
        );
    }
    if before.day_start_min != after.day_start_min {
        let why = format!(
            "the start of the day is fixed: there are check-ins since {first}; begin another programme"
        );
        refuse("/day_start_min", why);
    }
    if after.starts_on > first {
        refuse("/starts_on", format!("can't be later than {first}: there are check-ins on that day"));
    }
    if after.ends_on < last {
        refuse("/ends_on", format!("can't be earlier than {last}: there are check-ins on that day"));
    }
    if after.state == ProgrammeState::Draft && before.state != ProgrammeState::Draft {
        refuse("/state", "is no draft any more: there are check-ins; pause it instead".to_owned());
    }
}

fn of_rules(before: &Programme, after: &Programme, in_use: &InUse, refused: &mut Vec<Fault>) {
    for rule in before.rules.iter().filter(|rule| in_use.claimed_rules.contains(&rule.id)) {
        let place = after.rules.iter().position(|other| other.id == rule.id);
        match place.map(|at| (at, &after.rules[at])) {
            None => {
                let why = format!("the rule {} can't be removed: members have claimed by it", rule.id);
                refused.push(Fault::at("/rules", why));
            }
            Some((at, other)) if other.reward.id != rule.reward.id => {
                let why = format!(
                    "must stay {}: members have claimed it by this rule; add another rule for another reward",
                    rule.reward.id
                );
                refused.push(Fault::at(format!("/rules/{at}/reward/id"), why));
            }
            Some(_) => {}
        }
    }
}

/// A reward is one thing, whoever gives it: what members have, or other programmes promise, stays what it is.
fn of_reward(at: usize, reward: &Reward, in_use: &InUse, refused: &mut Vec<Fault>) {
    let Some(known) = in_use.rewards.get(&reward.id).filter(|known| known.kind != reward.kind) else {
        return;
    };
    let mut refuse = |why: String| refused.push(Fault::at(format!("/rules/{at}/reward"), why));
    if in_use.granted_rewards.contains(&reward.id) {
        refuse(format!(
            "the kind, points and sku of {} are fixed: members have it; describe another reward under an id of its own",
            known.id
        ));
    } else if let Some(others) = in_use.shared.get(&reward.id).filter(|others| !others.is_empty()) {
        let others: Vec<&str> = others.iter().map(ProgrammeId::as_str).collect();
        refuse(format!(
            "the kind, points and sku of {} are fixed: {} gives it, too; describe another reward under an id of its own",
            known.id,
            others.join(", ")
        ));
    }
}

/// A reward that members may have claimed without a limit gets none afterwards: nobody counted what is given out.
fn of_stock(at: usize, reward: &Reward, open: bool, in_use: &InUse, refused: &mut Vec<Fault>) {
    let unlimited = in_use.rewards.get(&reward.id).is_some_and(|known| known.stock.is_none());
    let shared = in_use.shared.get(&reward.id).is_some_and(|others| !others.is_empty());
    if reward.stock.is_some() && unlimited && (open || shared || in_use.granted_rewards.contains(&reward.id))
    {
        let why = format!(
            "{} has no stock, and members may have claimed it; describe a reward with a stock under an id of its own",
            reward.id
        );
        refused.push(Fault::at(format!("/rules/{at}/reward/stock"), why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{day, programme};
    use super::super::{RewardKind, StockPlan};
    use super::*;

    fn in_use() -> InUse {
        let rewards = programme().rules.into_iter().map(|rule| (rule.reward.id.clone(), rule.reward));
        InUse {
            days: Some((day("2026-11-03"), day("2026-11-20"))),
            claimed_rules: [RuleId::new("one-day").unwrap()].into(),
            granted_rewards: [RewardId::new("mug").unwrap()].into(),
            rewards: rewards.collect(),
            shared: [(RewardId::new("points-5000").unwrap(), [ProgrammeId::new("winter").unwrap()].into())]
                .into(),
        }
    }

    fn refused(edit: impl FnOnce(&mut Programme)) -> Vec<String> {
        let mut after = programme();
        edit(&mut after);
        refusals(Some(&programme()), &after, &in_use()).into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn what_rests_on_a_programme_may_not_change() {
        assert_eq!(refused(|p| p.tz = chrono_tz::UTC), ["/tz"]);
        assert_eq!(refused(|p| p.day_start_min = 60), ["/day_start_min"]);
        assert_eq!(refused(|p| p.starts_on = day("2026-11-04")), ["/starts_on"]);
        assert_eq!(refused(|p| p.ends_on = day("2026-11-19")), ["/ends_on"]);
        assert_eq!(refused(|p| p.state = ProgrammeState::Draft), ["/state"]);
        assert_eq!(refused(|p| drop(p.rules.pop())), ["/rules"]);
        assert_eq!(refused(|p| p.rules[1].reward = p.rules[0].reward.clone()), ["/rules/1/reward/id"]);
        let other_mug = RewardKind::Product { sku: "MUG-2".into() };
        assert_eq!(refused(|p| p.rules[1].reward.kind = other_mug), ["/rules/1/reward"]);
        let fewer = RewardKind::Points { points: 4000 };
        assert_eq!(
            refused(|p| p.rules[0].reward.kind = fewer),
            ["/rules/0/reward"],
            "another programme gives it"
        );
    }

    #[test]
    fn what_does_not_rest_on_anything_may_change() {
        let told = refused(|p| {
            p.name = "Late autumn".into();
            p.starts_on = day("2026-11-03");
            p.ends_on = day("2026-11-20");
            p.state = ProgrammeState::Ended;
            p.rules.remove(0);
            p.rules[0].days_required = 2;
            p.rules[0].reward.name = "A blue mug".into();
            p.rules[0].reward.stock = None;
        });
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn a_programme_without_check_ins_may_change_its_zone() {
        let after = Programme { tz: chrono_tz::UTC, day_start_min: 60, ..programme() };
        assert_eq!(refusals(Some(&programme()), &after, &InUse::default()), []);
    }

    #[test]
    fn a_change_is_told_by_names_before_and_after() {
        let mut after = programme();
        after.name = "Late autumn".into();
        after.rules[1].reward.stock = Some(StockPlan { total: 99, low_at: 0 });
        let removed = after.rules.remove(0);
        let told = changes(Some(&programme()), &after, &in_use());
        let of = |what: &str| told.iter().find(|change| change.what == what).cloned();
        assert_eq!(
            of("name"),
            Some(Change { what: "name".into(), before: json!("Autumn"), after: json!("Late autumn") })
        );
        assert_eq!(of("rules.five-days.days_required").unwrap().after, Value::Null);
        assert!(told.iter().all(|change| !change.what.contains("stock")), "{told:?}");
        after.rules.push(removed);
        let told = changes(Some(&programme()), &after, &in_use());
        assert_eq!(told.last().unwrap().after, json!(["one-day", "five-days"]));
        assert_eq!(changes(Some(&programme()), &programme(), &in_use()), []);
    }
}
