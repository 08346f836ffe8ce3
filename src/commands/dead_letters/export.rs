//! Dead letters into a file or onto standard output, a page at a time.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;

use super::{borrowed, watch};
use crate::commands::people::Api;
use crate::exit::Exit;

/// Letters in one answer.
const PAGE: usize = 100;

/// What of a line says where the next one begins.
#[derive(Deserialize)]
struct Place {
    cursor: String,
}

pub(super) async fn run(
    api: &Api,
    mut query: Vec<(&'static str, String)>,
    output: Option<&Path>,
) -> Result<(), Exit> {
    let mut into: Box<dyn Write> = match output {
        Some(path) => {
            let file = File::create(path)
                .map_err(|error| Exit::failed(format!("{} can't be written: {error}", path.display())))?;
            Box::new(file)
        }
        None => Box::new(std::io::stdout().lock()),
    };
    query.push(("limit", PAGE.to_string()));
    let bar = watch::bar(None);
    let mut written = 0;
    loop {
        let page = api.get_bytes("/v1/dead-letters/export", &borrowed(&query)).await?;
        match into.write_all(&page) {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
        let lines: Vec<&[u8]> = page.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        written += lines.len();
        bar.set_message(format!("{written} letters"));
        let Some(last) = lines.last().filter(|_| lines.len() == PAGE) else { break };
        let Place { cursor } = serde_json::from_slice(last).map_err(Exit::failed)?;
        query.retain(|(name, _)| *name != "cursor");
        query.push(("cursor", cursor));
    }
    into.flush()?;
    bar.finish_and_clear();
    if let Some(path) = output {
        crate::commands::people::note(&format!("{written} letters in {}", path.display()));
    }
    Ok(())
}
