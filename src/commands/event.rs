//! `event publish|validate`.

use forebay_schemas::{Catalogue, envelope};

use crate::cli::EventCommand;
use crate::commands::people::{self, Api};
use crate::exit::{Exit, FAILED};

pub(crate) async fn run(command: EventCommand) -> Result<(), Exit> {
    match command {
        EventCommand::Publish { api, file } => {
            let body = people::read_input(&file)?;
            let batch = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
            let content_type = if batch { envelope::CONTENT_TYPE_BATCH } else { envelope::CONTENT_TYPE };
            let answer = Api::new(&api)?.post("/v1/events", content_type, body).await?;
            people::print_json(&answer)
        }
        EventCommand::Validate { file } => {
            let body = people::read_input(&file)?;
            match Catalogue::new().decode(&body) {
                Ok(decoded) => {
                    people::print(&format!("{} {} is valid", decoded.event.kind, decoded.event.id))
                }
                Err(refusal) => {
                    let mut text = format!("the event is not valid ({})", refusal.code);
                    for violation in &refusal.violations {
                        let pointer = if violation.pointer.is_empty() { "/" } else { &violation.pointer };
                        text.push_str(&format!("\n  {pointer} {}", violation.detail));
                    }
                    Err(Exit::new(FAILED, text))
                }
            }
        }
    }
}
