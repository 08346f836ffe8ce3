//! `report`: what a day brought, as people are told it each morning.

use serde_json::Value;

use crate::cli::{ApiArgs, ReportArgs};
use crate::commands::people::{self, Api};
use crate::commands::table::cell;
use crate::exit::Exit;

pub(crate) async fn run(args: &ApiArgs, asked: ReportArgs) -> Result<(), Exit> {
    let day = asked.day.map(|day| day.to_string());
    let query: Vec<(&str, &str)> = day.as_deref().map(|day| ("day", day)).into_iter().collect();
    let answer = Api::new(args)?.get("/v1/reports/daily", &query).await?;
    if asked.json {
        return people::print_json(&answer);
    }
    let mut text = format!("The day {}", cell(answer.get("day")));
    for line in answer.get("lines").and_then(Value::as_array).into_iter().flatten() {
        text.push('\n');
        text.push_str(&cell(Some(line)));
    }
    if answer.get("reported") == Some(&Value::Bool(false)) {
        people::note("it was not reported: what came in was counted now");
    }
    people::print(&text)
}
