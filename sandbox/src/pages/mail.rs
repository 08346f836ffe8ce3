//! The mailbox: the newest conversation first, each from its beginning.

use super::{counted, escaped, older};
use crate::mail::Mail;
use crate::mime::{Letter, letter};

/// Most characters of a part that a page shows.
const PART_CHARS: usize = 20_000;

struct Shown {
    to: String,
    letter: Letter,
}

pub(super) fn body(total: u64, mails: &[(u64, Mail)]) -> String {
    let mut out = format!("<h1>Mailbox <span class=\"aside\">{}</span></h1>", counted(total, "mail"));
    out.push_str(&older(total, mails.len()));
    if mails.is_empty() {
        out.push_str("<p class=\"aside\">Nobody was written to yet.</p>");
    }
    for conversation in conversations(mails) {
        for (n, shown) in conversation.iter().enumerate() {
            out.push_str(&article(shown, n > 0));
        }
    }
    out
}

/// Mails of one recipient that follow one another, by the beginning that they name.
fn conversations(mails: &[(u64, Mail)]) -> Vec<Vec<Shown>> {
    let mut all: Vec<(String, String, Vec<Shown>)> = Vec::new();
    for (_, mail) in mails {
        let letter = letter(mail);
        let to = mail.to.join(", ");
        let begins = letter.follows.clone().unwrap_or_else(|| letter.id.clone());
        let found = all.iter().position(|(known, of, _)| !begins.is_empty() && *known == begins && *of == to);
        let (_, _, mut conversation) =
            found.map_or_else(|| (String::new(), String::new(), Vec::new()), |place| all.remove(place));
        conversation.push(Shown { to: to.clone(), letter });
        all.push((begins, to, conversation));
    }
    all.into_iter().rev().map(|(_, _, conversation)| conversation).collect()
}

fn article(shown: &Shown, follows: bool) -> String {
    let Shown { to, letter } = shown;
    let class = if follows { "mail follows" } else { "mail" };
    let thread = match &letter.follows {
        Some(earlier) => format!("<dt>Thread</dt><dd>follows {}</dd>", escaped(earlier)),
        None => format!("<dt>Thread</dt><dd>begins {}</dd>", escaped(&letter.id)),
    };
    let html = letter.html.as_ref().map(|html| {
        // The frame runs no script, sends no form and is of no origin.
        let inside = escaped(&cut(html));
        format!("<iframe sandbox=\"\" title=\"the mail\" srcdoc=\"{inside}\"></iframe>")
    });
    let text = letter.text.as_ref().map(|text| {
        let open = if letter.html.is_none() { " open" } else { "" };
        format!("<details{open}><summary>As text</summary><pre>{}</pre></details>", escaped(&cut(text)))
    });
    format!(
        "<article class=\"{class}\"><h2>{}</h2><dl><dt>From</dt><dd>{}</dd><dt>To</dt><dd>{}</dd><dt>Date</dt><dd>{}\
         </dd>{thread}</dl>{}{}</article>",
        escaped(&letter.subject),
        escaped(&letter.from),
        escaped(to),
        escaped(&letter.date),
        html.unwrap_or_default(),
        text.unwrap_or_default()
    )
}

fn cut(part: &str) -> String {
    part.chars().take(PART_CHARS).collect()
}
