//! A list of the api into a file or onto standard output, a page at a time, so that memory does not grow with it.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::commands::people::{self, Api};
use crate::exit::Exit;

/// Lines in one answer.
const PAGE: &str = "500";

pub(crate) async fn run<const N: usize>(
    api: &Api,
    path: &str,
    query: [(&'static str, Option<String>); N],
    out: &Path,
    what: &str,
) -> Result<(), Exit> {
    let mut asked: Vec<(&str, String)> =
        query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    asked.push(("limit", PAGE.to_owned()));
    let bar = bar(what);
    let mut opened: Option<Box<dyn Write>> = None;
    loop {
        let borrowed: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (page, next) = api.get_page(path, &borrowed).await?;
        let first = opened.is_none();
        // What a file held before is gone only once there is something to take its place.
        let into = match &mut opened {
            Some(into) => into,
            None => opened.insert(open(out)?),
        };
        match into.write_all(&page) {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
        // No cell of these lists has a line break of its own.
        let lines = page.iter().filter(|byte| **byte == b'\n').count();
        bar.inc(lines.saturating_sub(usize::from(first)) as u64);
        let Some(next) = next else { break };
        asked.retain(|(name, _)| *name != "cursor");
        asked.push(("cursor", next));
    }
    if let Some(mut into) = opened {
        into.flush()?;
    }
    let written = bar.position();
    bar.finish_and_clear();
    if out != Path::new("-") {
        people::note(&format!("{written} {what} in {}", out.display()));
    }
    Ok(())
}

fn open(out: &Path) -> Result<Box<dyn Write>, Exit> {
    if out == Path::new("-") {
        return Ok(Box::new(std::io::stdout().lock()));
    }
    let unwritable = |error| Exit::failed(format!("{} can't be written: {error}", out.display()));
    Ok(Box::new(BufWriter::new(File::create(out).map_err(unwritable)?)))
}

fn bar(what: &str) -> ProgressBar {
    let hidden = !std::io::stderr().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{human_pos}} {what}, {{per_sec}}"))
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
