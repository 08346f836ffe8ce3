//! A mail's parts, read.

use mailparse::{MailHeaderMap as _, ParsedMail};

use crate::mail::Mail;

/// Parts within parts beyond this are nobody's mail.
const PARTS_MAX: usize = 20;

/// A mail as a reader's program shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) date: String,
    pub(crate) id: String,
    pub(crate) follows: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
}

/// Reads a mail; one that can't be read is its text as it came.
pub(crate) fn letter(mail: &Mail) -> Letter {
    // The parser goes into each part: a mail of nothing but beginnings would take it too deep.
    let sane = mail.data.to_ascii_lowercase().matches("multipart/").count() <= PARTS_MAX;
    let parsed = sane.then(|| mailparse::parse_mail(mail.data.as_bytes()).ok()).flatten();
    let Some(parsed) = parsed else {
        return Letter { text: Some(mail.data.clone()), ..Letter::default() };
    };
    let header = |name: &str| parsed.headers.get_first_value(name);
    let mut letter = Letter {
        subject: header("Subject").unwrap_or_default(),
        from: header("From").unwrap_or_else(|| mail.from.clone()),
        date: header("Date").unwrap_or_default(),
        id: header("Message-ID").unwrap_or_default(),
        follows: header("In-Reply-To"),
        ..Letter::default()
    };
    read(&parsed, &mut letter);
    letter
}

/// The first text and the first HTML.
fn read(part: &ParsedMail<'_>, letter: &mut Letter) {
    let place = match part.ctype.mimetype.as_str() {
        "text/html" => &mut letter.html,
        "text/plain" => &mut letter.text,
        _ => {
            part.subparts.iter().for_each(|part| read(part, letter));
            return;
        }
    };
    if place.is_none() {
        *place = part.get_body().ok();
    }
}
