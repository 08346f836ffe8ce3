//! The list of hosts that may be called.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::address::is_public;
use super::error::{CallError, SetUpError};

/// A host that may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedHost {
    /// Its name or address, without scheme and port.
    pub host: String,
    /// Its port; when missing, the scheme's own (443, or 80 where `plain`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// It may lie in a private network: the shop's own, or this machine.
    #[serde(default)]
    pub private: bool,
    /// It may be called over HTTP without TLS.
    #[serde(default)]
    pub plain: bool,
}

impl AllowedHost {
    /// A public host, over HTTPS on port 443.
    pub fn public(host: impl Into<String>) -> Self {
        Self { host: host.into(), port: None, private: false, plain: false }
    }

    /// The entry that allows exactly the host and port of `url`, plain if the URL is.
    ///
    /// # Errors
    /// [`SetUpError::NoHost`] when the URL has no host.
    pub fn of_url(url: &Url, private: bool) -> Result<Self, SetUpError> {
        let host = url.host_str().ok_or(SetUpError::NoHost)?;
        Ok(Self { host: host.to_owned(), port: url.port(), private, plain: url.scheme() == "http" })
    }
}

/// The list, in the form in which it is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowList {
    hosts: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    private: bool,
    ports: Vec<(u16, bool)>,
}

impl AllowList {
    pub(super) fn new(entries: &[AllowedHost]) -> Result<Self, SetUpError> {
        let mut hosts: BTreeMap<String, Entry> = BTreeMap::new();
        for allowed in entries {
            let host = normal(&allowed.host)?;
            let entry =
                hosts.entry(host).or_insert_with(|| Entry { private: allowed.private, ports: Vec::new() });
            if entry.private != allowed.private {
                return Err(SetUpError::Contradiction(allowed.host.clone()));
            }
            match allowed.port {
                Some(port) => entry.ports.push((port, allowed.plain)),
                None => {
                    entry.ports.push((443, false));
                    if allowed.plain {
                        entry.ports.push((80, true));
                    }
                }
            }
        }
        Ok(Self { hosts })
    }

    /// Some entry wants TLS.
    pub(super) fn wants_tls(&self) -> bool {
        self.hosts.values().any(|e| e.ports.iter().any(|(_, plain)| !plain))
    }

    /// The host may lie in a private network.
    pub(super) fn may_be_private(&self, host: &str) -> bool {
        self.hosts.get(&host.to_ascii_lowercase()).is_some_and(|e| e.private)
    }

    /// Checks what can be checked before a name is resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), CallError> {
        let refuse = |why: String| Err(CallError::NotAllowed(why));
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            other => return refuse(format!("the scheme {other} is not spoken here")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the address carries a user name or password".to_owned());
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return refuse("the address names no host".to_owned());
        };
        let name = host.to_string();
        let Some(entry) = self.hosts.get(&name) else {
            return refuse(format!("{name} is not on the list of allowed hosts"));
        };
        let Some((_, may_be_plain)) = entry.ports.iter().find(|(p, _)| *p == port) else {
            return refuse(format!("port {port} of {name} is not on the list of allowed hosts"));
        };
        if plain && !may_be_plain {
            return refuse(format!("{name} may be called over HTTPS only"));
        }
        // An address in the URL never reaches the resolver.
        let literal = match host {
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
            Host::Domain(_) => None,
        };
        match literal {
            Some(address) if !entry.private && !is_public(address) => {
                refuse(format!("{name} is not a public address"))
            }
            _ => Ok(()),
        }
    }
}

/// The form that a host has in a parsed URL: lower case, IDNA, IPv6 in brackets.
fn normal(host: &str) -> Result<String, SetUpError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host_of = |text: &str| Host::parse(text).map(|h| h.to_string());
    let parsed = if bare.contains(':') { host_of(&format!("[{bare}]")) } else { host_of(bare) };
    parsed.map_err(|_| SetUpError::BadHost(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[AllowedHost]) -> AllowList {
        AllowList::new(entries).unwrap()
    }

    fn allowed(list: &AllowList, url: &str) -> bool {
        list.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_the_listed_host_on_its_own_port_over_tls_is_allowed() {
        let list = list(&[AllowedHost::public("Api.Example.com")]);
        assert!(allowed(&list, "https://api.example.com/x?y=1"));
        for url in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://evil.example.com/",
            "https://api.example.com.evil.example/",
            "https://user:pass@api.example.com/",
            "ftp://api.example.com/",
        ] {
            assert!(!allowed(&list, url), "{url} was allowed");
        }
    }

    #[test]
    fn a_private_address_in_the_url_needs_a_private_entry() {
        let entry = |private| AllowedHost { host: "10.0.0.7".into(), port: None, private, plain: false };
        assert!(!allowed(&list(&[entry(false)]), "https://10.0.0.7/"));
        assert!(allowed(&list(&[entry(true)]), "https://10.0.0.7/"));
        // The same address in another notation is the same host.
        assert!(!allowed(&list(&[entry(false)]), "https://0xa000007/"));
        let six = AllowedHost { host: "::1".into(), port: Some(80), private: false, plain: true };
        assert!(!allowed(&list(&[six]), "http://[::1]/"));
    }

    #[test]
    fn one_host_is_not_private_and_public_at_once() {
        let one = AllowedHost::public("a.example");
        let two = AllowedHost { private: true, port: Some(8080), ..one.clone() };
        assert!(matches!(AllowList::new(&[one, two]), Err(SetUpError::Contradiction(_))));
    }
}
