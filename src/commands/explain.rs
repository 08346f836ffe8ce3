//! `explain`: the runbooks.

use serde_json::{Value, json};

use crate::commands::{people, table};
use crate::exit::{Exit, NOT_FOUND};
use crate::runbooks::{PAGES, Page};

pub(crate) fn run(name: Option<&str>, json: bool) -> Result<(), Exit> {
    let Some(name) = name else {
        return if json { people::print_json(&listed()) } else { people::print(&list()) };
    };
    let page = Page::of(name).ok_or_else(|| unknown(name))?;
    if json { people::print_json(&whole(page)) } else { people::print(page.text.trim_end()) }
}

fn list() -> String {
    table::plain(
        &["name", "what"],
        PAGES.iter().map(|page| vec![page.name.to_owned(), page.what().to_owned()]),
    )
}

fn listed() -> Value {
    let pages =
        PAGES.iter().map(|page| json!({ "name": page.name, "what": page.what(), "path": page.path() }));
    json!({ "items": pages.collect::<Vec<_>>() })
}

fn whole(page: &Page) -> Value {
    json!({ "name": page.name, "what": page.what(), "path": page.path(), "text": page.text })
}

fn unknown(name: &str) -> Exit {
    let known = match Page::near(name) {
        Some(page) => format!("did you mean {}?", page.name),
        None => "`forebay explain` lists what there is".to_owned(),
    };
    Exit::new(NOT_FOUND, format!("there is no runbook for {name}; {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
        for (typed, meant) in [
            ("attempts_exausted", "attempts_exhausted"),
            ("Broker-Down", "broker_down"),
            ("timeuot", "timeout"),
        ] {
            let exit = unknown(typed);
            assert_eq!(exit.code, NOT_FOUND);
            assert!(exit.message.contains(&format!("did you mean {meant}?")), "{}", exit.message);
        }
        assert!(unknown("zzzz").message.contains("lists what there is"));
    }

    #[test]
    fn an_alert_is_explained_by_the_page_that_names_it() {
        for (alert, page) in [("ForebayRoleGone", "role_down"), ("ForebayDrainLate", "drain_late")] {
            assert_eq!(Page::of(alert).map(|page| page.name), Some(page));
        }
        assert_eq!(Page::of("Forebay"), None);
    }

    #[test]
    fn every_page_is_listed_with_a_sentence() {
        let items = listed()["items"].as_array().unwrap().len();
        assert_eq!(items, PAGES.len());
        for page in PAGES {
            assert!(page.what().ends_with('.') && page.what().len() < 100, "{}: {}", page.name, page.what());
            assert!(page.text.starts_with(&format!("# {}\n", page.name)), "{}", page.name);
        }
    }
}
