//! What people's commands share: results on standard output, calls to the api with a key from a file.

use std::io::{BufRead as _, IsTerminal as _, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_domain::SystemClock;
use forebay_outbound::{AllowedHost, Answer, Call, CallError, HttpClient, HttpOptions};
use forebay_telemetry::Metrics;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::cli::ApiArgs;
use crate::exit::{CONFIGURATION, Exit, FAILED, NOT_FOUND, NOT_PERMITTED, REFUSED, TRY_LATER, UNAVAILABLE};

/// Largest answer of the api: a page of whole dead letters.
const ANSWER_MAX: usize = 32 * 1024 * 1024;
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

/// Asks the person at the terminal; without one the answer is no.
pub(crate) fn confirmed(question: &str) -> Result<bool, Exit> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes a file that is not there yet, for its owner alone.
pub(crate) fn write_private(path: &Path, text: &SecretString) -> Result<(), Exit> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.expose_secret().as_bytes())?;
    Ok(())
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
        let options = HttpOptions { body_cap: ANSWER_MAX, ..HttpOptions::new(vec![entry]) };
        let client = HttpClient::new(options, Arc::new(SystemClock), Metrics::new(env!("CARGO_PKG_VERSION")))
            .map_err(|error| Exit::new(CONFIGURATION, format!("--api-url: {error}")))?;
        Ok(Self { client, base: args.api_url.clone(), token: SecretString::from(token.trim()) })
    }

    /// Reads a path with a query.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Exit> {
        answer(&self.read(path, query).await?).map(|answer| json(&answer.body))
    }

    /// Reads a path whose answer is not JSON.
    pub(crate) async fn get_bytes(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, Exit> {
        Ok(answer(&self.read(path, query).await?)?.body.clone())
    }

    async fn read(&self, path: &str, query: &[(&str, &str)]) -> Result<Result<Answer, CallError>, Exit> {
        let call = Call::get("api", self.url_with(path, query)?).bearer(&self.token);
        Ok(self.client.read(&call).await)
    }

    /// Posts JSON.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Result<Value, Exit> {
        self.post(path, "application/json", body.to_string().into_bytes()).await
    }

    /// Posts JSON that is to have its effect once, whatever becomes of the answer.
    pub(crate) async fn post_json_once(&self, path: &str, body: &Value, key: &str) -> Result<Value, Exit> {
        let call = Call::post_json("api", self.url(path)?, body).bearer(&self.token);
        answer(&self.client.call(&call.header("idempotency-key", key)).await).map(|answer| json(&answer.body))
    }

    /// Posts JSON, and waits this long for the answer.
    pub(crate) async fn post_json_within(
        &self,
        path: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<Value, Exit> {
        let call = Call::post_json("api", self.url(path)?, body).bearer(&self.token).timeout(patience);
        answer(&self.client.call(&call).await).map(|answer| json(&answer.body))
    }

    /// Puts JSON, under a condition on what is there.
    pub(crate) async fn put_json(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &Value,
        condition: Option<(&'static str, String)>,
    ) -> Result<Value, Exit> {
        let mut call = Call::put_json("api", self.url_with(path, query)?, body).bearer(&self.token);
        if let Some((header, value)) = condition {
            call = call.header(header, &value);
        }
        answer(&self.client.call(&call).await).map(|answer| json(&answer.body))
    }

    /// Reads a path whose answer is not JSON, and where the next page begins.
    pub(crate) async fn get_page(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Bytes, Option<String>), Exit> {
        let read = self.read(path, query).await?;
        let answer = answer(&read)?;
        Ok((answer.body.clone(), answer.header("forebay-next-cursor").map(str::to_owned)))
    }

    /// Deletes what is at a path.
    pub(crate) async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Exit> {
        let call = Call::delete("api", self.url_with(path, query)?).bearer(&self.token);
        answer(&self.client.call(&call).await).map(|answer| json(&answer.body))
    }

    /// Posts a body.
    pub(crate) async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Value, Exit> {
        let call = Call::post("api", self.url(path)?, content_type, body).bearer(&self.token);
        answer(&self.client.call(&call).await).map(|answer| json(&answer.body))
    }

    fn url_with(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Exit> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn url(&self, path: &str) -> Result<Url, Exit> {
        self.base.join(path).map_err(|error| Exit::new(CONFIGURATION, format!("--api-url: {error}")))
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

/// The answer, or its problem in words with the exit code that fits.
fn answer(answer: &Result<Answer, CallError>) -> Result<&Answer, Exit> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(Exit::new(UNAVAILABLE, format!("the api can't be reached: {error}"))),
    };
    if answer.is_success() {
        return Ok(answer);
    }
    let body = json(&answer.body);
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
        409 | 412 | 428 => REFUSED,
        429 | 503 => TRY_LATER,
        _ => FAILED,
    };
    Err(Exit::new(code, text))
}
