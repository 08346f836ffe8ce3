//! `key new`: API keys. The secret is shown once; the configuration holds its hash.

use forebay_intake::{ApiKey, Scope};
use secrecy::ExposeSecret;

use crate::cli::KeyCommand;
use crate::commands::people;
use crate::exit::{CONFIGURATION, Exit};

pub(crate) fn run(command: KeyCommand) -> Result<(), Exit> {
    let KeyCommand::New { scopes: words } = command;
    let mut scopes = Vec::with_capacity(words.len());
    for word in &words {
        let scope: Scope = word.parse().map_err(|_| {
            let known: Vec<&str> = Scope::ALL.iter().map(|s| s.as_str()).collect();
            Exit::new(CONFIGURATION, format!("--scopes: {word} is no scope; scopes are {}", known.join(", ")))
        })?;
        scopes.push(scope);
    }
    let random: [u8; 44] = rand::random();
    let (text, key) = ApiKey::mint(&random, &scopes);
    let quoted: Vec<String> = key.scopes().iter().map(|s| format!("\"{s}\"")).collect();
    people::note("The key stands on standard output and is shown this once. For the configuration:\n");
    people::note("[[keys]]");
    people::note(&format!("id = \"{}\"", key.id()));
    people::note(&format!("sha256 = \"{}\"", key.secret_sha256()));
    people::note(&format!("scopes = [{}]\n", quoted.join(", ")));
    people::print(text.expose_secret())
}
