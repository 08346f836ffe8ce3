//! Takes people out of a carrier's words before anybody keeps them.

use std::ops::RangeInclusive;

/// What stands in the place of a telephone number.
const PHONE: &str = "[phone]";
/// What stands in the place of a name.
const NAME: &str = "[name]";
/// Words after which, behind a colon, Korean carriers put a person's name: whoever is in charge, delivers, or
/// receives.
const LABELS: &[&str] = &[
    "담당자",
    "담당사원",
    "담당",
    "배송기사",
    "배달기사",
    "배송사원",
    "배달사원",
    "배달원",
    "집배원",
    "기사",
    "인수자",
    "수령인",
    "수령자",
    "수취인",
    "받는분",
    "받는사람",
    "보내는분",
    "보낸사람",
    "발송인",
];
/// The same words of other carriers, in small letters. A name of several words may follow.
const LATIN_LABELS: &[&str] = &[
    "signed for by",
    "signed by",
    "received by",
    "recipient",
    "consignee",
    "left with",
    "driver",
    "courier",
];
/// Shortest name that is looked for; shorter ones are syllables of every other word.
const NAME_CHARS_MIN: usize = 2;
/// Most characters that are read before they are cleaned.
const READ_CHARS: usize = 2000;
/// Most separators between two groups of a telephone number, as in `(02) 123`.
const SEPARATORS_MAX: usize = 2;
/// Fewest and most digits of a number with a foreign country's code.
const FOREIGN_DIGITS: RangeInclusive<usize> = 8..=15;

/// The text in one line, without telephone numbers, without `names` and without names behind a label, of at most
/// `most` characters. Nothing when nothing is left.
pub(crate) fn cleaned(text: &str, names: &[String], most: usize) -> Option<String> {
    let printable: String =
        text.chars().take(READ_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in names.iter().map(|n| n.trim()).filter(|n| n.chars().count() >= NAME_CHARS_MIN) {
        line = line.replace(name, NAME);
    }
    line = without_labelled_names(&without_phones(&line));
    let cut: String = line.chars().take(most).collect();
    (!cut.is_empty()).then_some(cut)
}

fn without_phones(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let within_number = at > 0 && is_digit(chars[at - 1]);
        match (!within_number).then(|| phone_end(&chars, at)).flatten() {
            Some(end) => {
                out.push_str(PHONE);
                at = end;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

/// Where a telephone number that begins at `at` ends.
fn phone_end(chars: &[char], at: usize) -> Option<usize> {
    match chars.get(at)? {
        // Behind Korea's code the prefix goes without its zero.
        '+' if chars[at..].starts_with(&['+', '8', '2']) => {
            domestic_end(chars, separators(chars, at + 3), 1..=3).or_else(|| foreign_end(chars, at + 1))
        }
        '+' => foreign_end(chars, at + 1),
        '(' if is_zero(*chars.get(at + 1)?) => domestic_end(chars, at + 1, 2..=4),
        c if is_zero(*c) => domestic_end(chars, at, 2..=4),
        '(' => american_end(chars, at + 1),
        c if is_digit(*c) => american_end(chars, at),
        _ => None,
    }
}

/// Prefix, then three or four digits, then four; masked digits (`*`) count.
fn domestic_end(chars: &[char], at: usize, prefixes: RangeInclusive<usize>) -> Option<usize> {
    for prefix in prefixes.rev() {
        for middle in (3..=4).rev() {
            let end = group(chars, at, prefix)
                .map(|end| separators(chars, end))
                .and_then(|at| group(chars, at, middle))
                .map(|end| separators(chars, end))
                .and_then(|at| group(chars, at, 4))
                .filter(|end| !chars.get(*end).is_some_and(|c| is_digit(*c)));
            if end.is_some() {
                return end;
            }
        }
    }
    None
}

/// Three digits, three and four, kept apart from each other and from other digits.
fn american_end(chars: &[char], at: usize) -> Option<usize> {
    let area = group(chars, at, 3)?;
    let exchange = separators(chars, area);
    let line = separators(chars, group(chars, exchange, 3)?);
    let end = group(chars, line, 4)?;
    let apart = exchange > area && line > exchange + 3;
    (apart && !chars.get(end).is_some_and(|c| is_digit(*c))).then_some(end)
}

/// Digits with single separators, as many as a country's code and number have.
fn foreign_end(chars: &[char], mut at: usize) -> Option<usize> {
    let (mut digits, mut end) = (0, at);
    while digits < *FOREIGN_DIGITS.end() && chars.get(at).is_some_and(|c| is_digit(*c)) {
        digits += 1;
        end = at + 1;
        at = separators(chars, end);
    }
    FOREIGN_DIGITS.contains(&digits).then_some(end)
}

fn group(chars: &[char], at: usize, count: usize) -> Option<usize> {
    let digits = chars.get(at..at + count)?;
    digits.iter().all(|c| is_digit(*c)).then_some(at + count)
}

fn separators(chars: &[char], at: usize) -> usize {
    let is_separator = |c: &&char| matches!(c, '-' | '.' | ' ' | '(' | ')' | '‐' | '‑' | '–' | '－');
    at + chars[at..].iter().take(SEPARATORS_MAX).take_while(is_separator).count()
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '*' || ('０'..='９').contains(&c)
}

fn is_zero(c: char) -> bool {
    c == '0' || c == '０'
}

fn without_labelled_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find([':', '：']) {
        let (before, after) = rest.split_at(colon);
        let width = after.chars().next().map_or(1, char::len_utf8);
        out.push_str(before);
        out.push_str(&after[..width]);
        rest = &after[width..];
        let label = before.trim_end();
        let small = label.to_lowercase();
        let latin = LATIN_LABELS.iter().any(|l| small.ends_with(l));
        if !latin && !LABELS.iter().any(|l| label.ends_with(l)) {
            continue;
        }
        let name_at = rest.len() - rest.trim_start().len();
        let ends = |c: char| match latin {
            // Names of several words, with initials.
            true => matches!(c, ',' | ';' | '(' | ')' | '|' | '/' | '['),
            false => !(c.is_alphanumeric() || c == '*' || c == '○'),
        };
        let name_len = rest[name_at..].find(ends).unwrap_or(rest.len() - name_at);
        if name_len > 0 {
            out.push_str(&rest[..name_at]);
            out.push_str(NAME);
            rest = &rest[name_at + name_len..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        cleaned(text, &["김철수".to_owned()], 200).unwrap_or_default()
    }

    #[test]
    fn telephone_numbers_do_not_stay_however_they_are_written() {
        for number in [
            "010-1234-5678",
            "01012345678",
            "010.1234.5678",
            "010 1234 5678",
            "02-123-4567",
            "(02) 123-4567",
            "031)123-4567",
            "0504-1234-5678",
            "010-****-5678",
            "０１０-１２３４-５６７８",
            "+82-10-1234-5678",
            "+82 10 1234 5678",
            "(201) 555-0123",
            "201-555-0123",
        ] {
            let text = clean(&format!("배송출발 1 {number} 2026-11-21"));
            assert_eq!(text, format!("배송출발 1 {PHONE} 2026-11-21"), "{number}");
        }
    }

    #[test]
    fn times_dates_and_service_numbers_stay() {
        for text in ["2026-11-21 08:30 도착", "배달완료 (1588-1234)", "구간 12-34", "강남02"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn names_do_not_stay() {
        assert_eq!(clean("김철수 기사가 배달"), "[name] 기사가 배달");
        assert_eq!(clean("배달완료 (수령인 : 홍*동)"), "배달완료 (수령인 : [name])");
        assert_eq!(clean("담당사원：이영희, 배달중"), "담당사원：[name], 배달중");
        assert_eq!(clean("예정: 18시"), "예정: 18시");
        assert_eq!(clean("Delivered - Signed for by: J. SMITH"), "Delivered - Signed for by: [name]");
        assert_eq!(clean("Left with: Mary Major (porch)"), "Left with: [name](porch)");
        assert_eq!(clean("Estimated: Friday"), "Estimated: Friday");
    }

    #[test]
    fn control_characters_and_length_are_bounded() {
        assert_eq!(clean("a\0b\r\n\tc"), "a b c");
        assert_eq!(cleaned(&"가".repeat(500), &[], 100).unwrap().chars().count(), 100);
        assert_eq!(cleaned(" \n ", &[], 100), None);
    }
}
