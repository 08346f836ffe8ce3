//! What people's commands share: results on standard output, calls to the api with a key from a file.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use forebay_domain::SystemClock;
use forebay_outbound::{AllowedHost, Answer, Call, CallError, HttpClient, HttpOptions};
use forebay_telemetry::Metrics;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::cli::ApiArgs;
use crate::exit::{CONFIGURATION, Exit, FAILED, NOT_FOUND, NOT_PERMITTED, TRY_LATER, UNAVAILABLE};

/// Most bytes read from a file or from standard input.
const INPUT_MAX: u64 = 4 * 1024 * 1024;

/// Prints a result. A reader that went away is no failure.
pub(crate) fn print(text: &str) -> Result<(), Exit> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Exit::failed(error)),
        _ => Ok(()),
    }
}

/// Prints one JSON object.
pub(crate) fn print_json(value: &Value) -> Result<(), Exit> {
    print(&serde_json::to_string_pretty(value).map_err(Exit::failed)?)
}

/// Tells something that is not the result.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read_input(path: &Path) -> Result<Vec<u8>, Exit> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(INPUT_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(INPUT_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Exit::new(NOT_FOUND, format!("{} can't be read: {error}", path.display())))?;
    if bytes.len() as u64 > INPUT_MAX {
        return Err(Exit::failed(format!("{} is larger than {INPUT_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// The api, as a person's command sees it.
pub(crate) struct Api {
    client: HttpClient,
    base: Url,
    token: SecretString,
}

impl Api {
    /// The api at the address of the arguments, with the key of their file.
    pub(crate) fn new(args: &ApiArgs) -> Result<Self, Exit> {
        let token = std::fs::read_to_string(&args.token_file).map_err(|error| {
            let path = args.token_file.display();
            let text = format!("the key file {path} can't be read: {error}; name one with --token-file");
            Exit::new(CONFIGURATION, text)
        })?;
        let entry = AllowedHost::of_url(&args.api_url, true)
            .map_err(|error| Exit::new(CONFIGURATION, format!("--api-url: {error}")))?;
        let options = HttpOptions::new(vec![entry]);
        let client = HttpClient::new(options, Arc::new(SystemClock), Metrics::new(env!("CARGO_PKG_VERSION")))
            .map_err(|error| Exit::new(CONFIGURATION, format!("--api-url: {error}")))?;
        Ok(Self { client, base: args.api_url.clone(), token: SecretString::from(token.trim()) })
    }

    /// Reads a path with a query.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Exit> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let call = Call::get("api", url).bearer(&self.token);
        answer(&self.client.read(&call).await)
    }

    /// Posts a body.
    pub(crate) async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Value, Exit> {
        let call = Call::post("api", self.url(path)?, content_type, body).bearer(&self.token);
        answer(&self.client.call(&call).await)
    }

    fn url(&self, path: &str) -> Result<Url, Exit> {
        self.base.join(path).map_err(|error| Exit::new(CONFIGURATION, format!("--api-url: {error}")))
    }
}

/// The answer's JSON, or its problem in words with the exit code that fits.
fn answer(answer: &Result<Answer, CallError>) -> Result<Value, Exit> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(Exit::new(UNAVAILABLE, format!("the api can't be reached: {error}"))),
    };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if answer.is_success() {
        return Ok(body);
    }
    let word = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("{} (status {})", word("title"), answer.status);
    if !word("detail").is_empty() {
        text = format!("{text}: {}", word("detail"));
    }
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        text = format!("{text}\n  {} {}", part("pointer"), part("detail"));
    }
    let code = match answer.status {
        401 | 403 => NOT_PERMITTED,
        404 => NOT_FOUND,
        429 | 503 => TRY_LATER,
        _ => FAILED,
    };
    Err(Exit::new(code, text))
}
