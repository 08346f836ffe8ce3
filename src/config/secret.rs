//! Secrets in the configuration, and addresses that may hold one.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// A secret in the configuration: never shown, never logged.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(Option<SecretString>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Some(SecretString::from(text.into())))
    }

    pub(crate) fn get(&self) -> Option<&SecretString> {
        self.0.as_ref().filter(|s| !s.expose_secret().is_empty())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.get().is_some() { "***" } else { "" })
    }
}

/// The address of a back end. It may hold a password, which is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct BackEndUrl(SecretString);

impl BackEndUrl {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The file of an embedded back end: what follows `sqlite:`.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        self.expose().strip_prefix("sqlite:").map(|p| Path::new(p.strip_prefix("//").unwrap_or(p)))
    }
}

impl fmt::Display for BackEndUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sqlite_path().is_some() {
            return f.write_str(self.expose());
        }
        let (first, others) = first_node(self.expose());
        match Url::parse(&first) {
            Ok(mut url) => {
                if url.password().is_some() {
                    let _ = url.set_password(Some("***"));
                }
                url.set_query(None);
                write!(f, "{url}{}", if others { " (and its other nodes)" } else { "" })
            }
            Err(_) => f.write_str("(not a URL)"),
        }
    }
}

/// The address with the first of its nodes, since a URL can't hold a list, and whether there are others.
fn first_node(text: &str) -> (String, bool) {
    let authority = text.find("://").map_or(0, |n| n + 3);
    let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |n| authority + n);
    let hosts = text[authority..end].rfind('@').map_or(authority, |n| authority + n + 1);
    match text[hosts..end].find(',') {
        Some(first) => (format!("{}{}", &text[..hosts + first], &text[end..]), true),
        None => (text.to_owned(), false),
    }
}

impl fmt::Debug for BackEndUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BackEndUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a secret's file holds, without the line's end.
pub(crate) fn secret_file(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned())
}
