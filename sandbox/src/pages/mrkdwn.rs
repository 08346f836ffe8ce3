//! Slack's mrkdwn as HTML: bold, italic, struck, code, quotes, links, mentions and dates.

use std::fmt::Write as _;

use chrono::DateTime;
use chrono_tz::Tz;

use super::escaped;

/// A line with more than this is drawn as it came, and so is what is marked within marks beyond this depth.
const LINE_BYTES: usize = 4_000;
const DEPTH: usize = 4;

/// The text as HTML; dates are told in the reader's zone.
pub(super) fn html(text: &str, zone: Tz) -> String {
    let mut out = String::new();
    for (n, part) in text.split("```").enumerate() {
        let closed = n % 2 == 1 && text.matches("```").count() > n;
        if closed {
            let code = part.strip_prefix('\n').unwrap_or(part);
            let _ = write!(out, "<pre>{}</pre>", literal(code));
        } else {
            // A block that nobody closes is shown as Slack shows it: with its quotes.
            let open = if n % 2 == 1 { "```" } else { "" };
            lines(&format!("{open}{part}"), n > 0, zone, &mut out);
        }
    }
    out
}

/// The three entities of Slack's text are characters, and those are harmless.
fn literal(text: &str) -> String {
    escaped(&text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

fn lines(text: &str, after_block: bool, zone: Tz, out: &mut String) {
    let text = if after_block { text.strip_prefix('\n').unwrap_or(text) } else { text };
    let text = text.strip_suffix('\n').unwrap_or(text);
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push_str("<br>");
        }
        match line.strip_prefix("&gt;") {
            Some(quoted) => {
                let _ = write!(out, "<blockquote>{}</blockquote>", inline(quoted.trim_start(), zone, DEPTH));
            }
            None => out.push_str(&inline(line, zone, DEPTH)),
        }
    }
}

fn inline(line: &str, zone: Tz, depth: usize) -> String {
    if line.len() > LINE_BYTES || depth == 0 {
        return literal(line);
    }
    let mut out = String::new();
    let mut before: Option<char> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((inside, after)) = rest[1..].split_once('>')
        {
            out.push_str(&markup(inside, zone));
            (before, rest) = (Some('>'), after);
            continue;
        }
        if let Some((tag, inside, after)) = marked(rest, c, before) {
            let inside = if tag == "code" { literal(inside) } else { inline(inside, zone, depth - 1) };
            let _ = write!(out, "<{tag}>{inside}</{tag}>");
            (before, rest) = (Some(c), after);
            continue;
        }
        let end =
            rest[c.len_utf8()..].find(['<', '*', '_', '~', '`']).map_or(rest.len(), |i| i + c.len_utf8());
        let (plain, after) = rest.split_at(end);
        out.push_str(&literal(plain));
        (before, rest) = (plain.chars().last(), after);
    }
    out
}

/// What stands between two marks: they touch it, and no letter or digit touches them from outside.
fn marked(text: &str, mark: char, before: Option<char>) -> Option<(&'static str, &str, &str)> {
    let tag = match mark {
        '*' => "b",
        '_' => "i",
        '~' => "s",
        '`' => "code",
        _ => return None,
    };
    if before.is_some_and(char::is_alphanumeric) || text[1..].starts_with(char::is_whitespace) {
        return None;
    }
    let closes = |(at, _): &(usize, &str)| {
        let (inside, after) = (&text[1..*at + 1], &text[*at + 2..]);
        !inside.is_empty()
            && !inside.ends_with(char::is_whitespace)
            && !after.starts_with(char::is_alphanumeric)
    };
    let (at, _) = text[1..].match_indices(mark).find(closes)?;
    Some((tag, &text[1..=at], &text[at + 2..]))
}

/// What stands between `<` and `>`: a link, a mention or a date.
fn markup(inside: &str, zone: Tz) -> String {
    let (target, label) =
        inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
    if let Some(date) = target.strip_prefix("!date^") {
        return escaped(&dated(date, label.unwrap_or_default(), zone));
    }
    if let Some(what) = target.strip_prefix(['!', '@', '#']) {
        let sign = if target.starts_with('#') { '#' } else { '@' };
        return format!("<span class=\"mention\">{sign}{}</span>", literal(label.unwrap_or(what)));
    }
    let shown = literal(label.unwrap_or(target));
    let target = target.replace("&amp;", "&");
    if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return format!("<a href=\"{}\" rel=\"noreferrer\">{shown}</a>", escaped(&target));
    }
    format!("&lt;{shown}&gt;")
}

/// `seconds^format` of a date in the reader's zone, or the words for those who can't tell.
fn dated(date: &str, otherwise: &str, zone: Tz) -> String {
    let mut parts = date.splitn(3, '^');
    let seconds = parts.next().and_then(|seconds| seconds.parse().ok());
    let (Some(at), Some(format)) = (seconds.and_then(|s| DateTime::from_timestamp(s, 0)), parts.next())
    else {
        return otherwise.to_owned();
    };
    let at = at.with_timezone(&zone);
    let tokens = [
        ("{date_num}", "%Y-%m-%d"),
        ("{date_long}", "%A, %B %-d, %Y"),
        ("{date_short}", "%b %-d, %Y"),
        ("{date}", "%B %-d, %Y"),
        ("{time_secs}", "%H:%M:%S"),
        ("{time}", "%H:%M"),
    ];
    tokens.iter().fold(format.to_owned(), |text, (token, format)| {
        if text.contains(token) { text.replace(token, &at.format(format).to_string()) } else { text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        html(text, Tz::Asia__Seoul)
    }

    #[test]
    fn marks_are_drawn_where_slack_draws_them() {
        for (text, wanted) in [
            ("*What:* it _is_ ~not~ `so`", "<b>What:</b> it <i>is</i> <s>not</s> <code>so</code>"),
            ("a*b*c snake_case_name 2 * 3 * 4", "a*b*c snake_case_name 2 * 3 * 4"),
            ("one\n&gt; two", "one<br><blockquote>two</blockquote>"),
            ("*Now:*\n```forebay dlq *list*```", "<b>Now:</b><pre>forebay dlq *list*</pre>"),
            ("never ```closed", "never ```closed"),
            ("*open", "*open"),
            ("`a *b* c`", "<code>a *b* c</code>"),
            ("가*나* *마*", "가*나* <b>마</b>"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn links_mentions_and_dates_are_drawn_and_other_schemes_are_text() {
        assert_eq!(
            shown("<https://a.example/?a=1&amp;b=2|Runbook>"),
            "<a href=\"https://a.example/?a=1&amp;b=2\" rel=\"noreferrer\">Runbook</a>"
        );
        assert_eq!(shown("<!channel>"), "<span class=\"mention\">@channel</span>");
        assert_eq!(shown("<!date^1795143600^{date_num} {time_secs}|x>"), "2026-11-20 12:00:00");
        assert_eq!(shown("<!date^soon^{date}|then>"), "then");
        assert_eq!(shown("<javascript:alert(1)|a>"), "&lt;a&gt;");
    }

    #[test]
    fn nothing_that_came_is_html() {
        let evil = "&lt;script&gt; \" ' <https://a.example/\"onclick=x|<b>x</b>> ```<img src=x>``` `<i>`";
        let shown = shown(evil);
        for tag in ["<script", "<img", "<b>", "<i>", "\"onclick"] {
            assert!(!shown.contains(tag), "{tag} in {shown}");
        }
    }
}
