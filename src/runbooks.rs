//! The pages of `docs/runbooks`, in the binary: whoever is on call has them where the binary is.

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// A code, the rule of an incident, or that of an alert.
    pub(crate) name: &'static str,
    /// The page, in Markdown.
    pub(crate) text: &'static str,
}

macro_rules! pages {
    ($($name:literal),+ $(,)?) => {
        /// Every page, by name.
        pub(crate) const PAGES: &[Page] = &[$(Page {
            name: $name,
            text: include_str!(concat!("../docs/runbooks/", $name, ".md")),
        }),+];
    };
}

pages!(
    "alerts_held_back",
    "attempts_exhausted",
    "books_differ",
    "breaker_open",
    "broker_down",
    "budget_nearly_spent",
    "claims_unshipped",
    "crash_loop",
    "credentials",
    "credentials_expire",
    "daily_report",
    "dead_letters",
    "drain_late",
    "expired",
    "heartbeat_absent",
    "id_reused",
    "intake_refuses",
    "mail_refused",
    "member_keys_unavailable",
    "no_consumers",
    "not_ready",
    "not_yet_known",
    "nothing_settled",
    "notices_fail",
    "operator",
    "outbox_old",
    "outcome_unknown",
    "outside_malformed",
    "outside_unavailable",
    "panic",
    "queue_left_alone",
    "queue_old",
    "rate_limited",
    "rejected",
    "role_down",
    "schedule_missed",
    "schema_invalid",
    "slack_refused",
    "spool_in_use",
    "stock_below_committed",
    "stock_digest",
    "stock_low",
    "stock_out",
    "store_unavailable",
    "timeout",
    "token_not_renewed",
    "too_large",
    "undecodable",
    "unknown_type",
    "unrouted",
    "watchdog",
);

impl Page {
    /// What it is about, in a sentence.
    pub(crate) fn what(&self) -> &'static str {
        self.text.lines().nth(2).unwrap_or_default()
    }

    /// Where it lies in the sources.
    pub(crate) fn path(&self) -> String {
        format!("docs/runbooks/{}.md", self.name)
    }

    /// The page of this name, or the one that names this alert of Prometheus.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        let named = PAGES.iter().find(|page| page.name == name);
        let mentions =
            |page: &&Self| page.text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        let is_alert = name.strip_prefix("Forebay").is_some_and(|rest| !rest.is_empty());
        named.or_else(|| PAGES.iter().find(|page| is_alert && mentions(page)))
    }

    /// The page that was perhaps meant.
    pub(crate) fn near(name: &str) -> Option<&'static Self> {
        let wanted = name.to_lowercase().replace('-', "_");
        let likeness = |page: &&Self| strsim::jaro_winkler(&wanted, page.name);
        let best = PAGES.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
        (likeness(&best) >= ALIKE).then_some(best)
    }
}

/// From here on two names are alike.
const ALIKE: f64 = 0.8;

#[cfg(test)]
pub(crate) mod tests {
    use forebay_domain::incident::RULES;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use clap::Parser as _;
    use clap::error::ErrorKind;
    use forebay_schemas::Code;

    use super::*;
    use crate::cli::Cli;

    /// Where incidents are raised.
    const RAISED: [&str; 6] =
        ["domain/src", "store/src", "producers", "consumers/handlers/src", "outbound/src", "api/src"];
    /// What the words in braces may stand for.
    const PLACEHOLDERS: [(&str, &str); 15] = [
        ("{CARRIER}", "cj"),
        ("{CLAIM}", "0190a7c4-7b1e-7c3a-8f00-000000000003"),
        ("{FILE}", "event.json"),
        ("{GROUP}", "5ab1c02f9d3e7744"),
        ("{INCIDENT}", "0190a7c4-7b1e-7c3a-8f00-000000000004"),
        ("{LETTER}", "0190a7c4-7b1e-7c3a-8f00-000000000001"),
        ("{MEMBER}", "m-1"),
        ("{NUMBER}", "600000000001"),
        ("{PROGRAMME}", "autumn"),
        ("{QUEUE}", "returns"),
        ("{REASON}", "a reason, in words"),
        ("{RETURN}", "R-1"),
        ("{REWARD}", "mug"),
        ("{RULE}", "dead_letters"),
        ("{SYSTEM}", "fedex"),
    ];

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every source file below a folder, without tests.
    fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "conformance", "target"].contains(&name) {
                sources(&path, into);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                into.push(path);
            }
        }
    }

    /// Every rule, by name. Nothing else can be raised: `Raise` takes the closed type.
    fn rules() -> BTreeSet<String> {
        RULES.iter().map(|of| of.name.to_owned()).collect()
    }

    /// The pages that the rules of Prometheus name.
    fn alerts() -> BTreeSet<String> {
        let rules = read("deploy/prometheus/rules.yml");
        let named = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: docs/runbooks/"));
        named.map(|file| file.strip_suffix(".md").unwrap().to_owned()).collect()
    }

    #[test]
    fn each_code_each_incident_and_each_alert_has_its_page_and_no_other_is_there() {
        let rules = rules();
        for known in ["dead_letters", "breaker_open", "stock_low", "stock_out", "stock_digest"] {
            assert!(rules.contains(known), "{known} is raised, and was not found: {rules:?}");
        }
        let codes = Code::ALL.iter().map(|code| code.as_str().to_owned());
        let wanted: BTreeSet<String> = codes.chain(rules).chain(alerts()).collect();
        let there: BTreeSet<String> = PAGES.iter().map(|page| page.name.to_owned()).collect();
        let lacking: Vec<_> = wanted.difference(&there).collect();
        assert!(
            lacking.is_empty(),
            "write docs/runbooks/<name>.md, and name it in src/runbooks.rs: {lacking:?}"
        );
        let orphans: Vec<_> = there.difference(&wanted).collect();
        assert!(orphans.is_empty(), "nothing leads to these pages: {orphans:?}");
    }

    #[test]
    fn each_rule_of_the_closed_list_is_raised_somewhere() {
        let mut files = Vec::new();
        RAISED.iter().for_each(|folder| sources(&root().join(folder), &mut files));
        files.retain(|file| !file.ends_with("incident/rules.rs"));
        let code = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).unwrap();
            text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
        };
        let texts: Vec<String> = files.iter().map(code).collect();
        for of in RULES {
            let named = format!("AlertRule::{:?}", of.rule);
            assert!(texts.iter().any(|text| text.contains(&named)), "nobody raises {named}");
        }
    }

    #[test]
    fn the_folder_its_list_and_the_binary_hold_the_same_pages() {
        let files = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
        let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = names.filter(|name| name != "README.md").collect();
        let pages: BTreeSet<String> = PAGES.iter().map(|page| format!("{}.md", page.name)).collect();
        assert_eq!(files, pages);
        let list = read("docs/runbooks/README.md");
        for page in PAGES {
            let line = format!("| [{0}]({0}.md) | {1} |", page.name, page.what());
            assert!(list.contains(&line), "docs/runbooks/README.md lacks {line}");
        }
        assert!(PAGES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn each_page_says_symptom_meaning_check_mend_and_whom_to_call() {
        for page in PAGES {
            for part in ["\n**Symptom.** ", "\n**Means.** ", "\n## Check\n", "\n## Mend\n", "\n## Call\n"] {
                assert_eq!(page.text.matches(part).count(), 1, "{}: {part:?}", page.name);
            }
            assert!(page.text.len() < 3_000, "{} is long", page.name);
        }
    }

    #[test]
    fn each_command_of_a_page_is_one_of_this_command_line() {
        let list = read("docs/runbooks/README.md");
        for (name, _) in PLACEHOLDERS.iter().chain(&[("{WORKER}", "")]) {
            assert!(list.contains(&format!("`{name}`")), "docs/runbooks/README.md does not explain {name}");
        }
        let mut commands = 0;
        for page in PAGES {
            for (command, whole) in commands_of(page.text) {
                commands += 1;
                let read = parse(&command).map(|_| ());
                // In a sentence a command may be named without what it is given.
                let named = read.as_ref().is_err_and(|error| {
                    let lacks = [
                        ErrorKind::MissingRequiredArgument,
                        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    ];
                    !whole && lacks.contains(&error.kind())
                });
                if let Err(error) = read.or_else(|error| if named { Ok(()) } else { Err(error) }) {
                    panic!("{}: {command}\n{error}", page.name);
                }
            }
        }
        assert!(commands > PAGES.len(), "only {commands} commands were found");
    }

    /// The commands of a page: lines of its blocks, which are whole, and what stands in the text as code.
    fn commands_of(text: &str) -> Vec<(String, bool)> {
        let mut commands = Vec::new();
        for (at, part) in text.split("```").enumerate() {
            if at % 2 == 1 {
                let lines = part.lines().filter(|line| line.starts_with("forebay "));
                commands.extend(lines.map(|line| (line.to_owned(), true)));
            } else {
                let code = part.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " "));
                commands.extend(code.filter(|code| code.starts_with("forebay ")).map(|code| (code, false)));
            }
        }
        commands
    }

    /// Reads a command as the shell and then the command line do.
    #[expect(clippy::panic_in_result_fn, reason = "these are tests: what a page may not hold ends them")]
    pub(crate) fn parse(command: &str) -> Result<Cli, clap::Error> {
        let placeholders = PLACEHOLDERS.iter().chain(&[("{WORKER}", "0190a7c4-7b1e-7c3a-8f00-000000000002")]);
        let command = placeholders.fold(command.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!command.contains(['{', '|', '>', '"']), "{command}");
        let mut words: Vec<String> = Vec::new();
        for (at, part) in command.split('\'').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        Cli::try_parse_from(words)
    }
}
