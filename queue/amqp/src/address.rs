//! Where the broker is: the nodes that one URL names.

use std::fmt;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret as _, SecretString};

/// One node of the broker, with the credentials for it. Shown without them.
#[derive(Clone)]
pub struct Address {
    // Holds the password in clear, as lapin wants it: never derive Debug, never hand out.
    uri: AMQPUri,
}

/// Why a text is not the address of a broker. Never quotes the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; an address looks like amqps://user:password@host:5671/vhost, for a cluster with all its nodes: \
     amqps://user:password@one:5671,two:5671,three:5671/vhost"
)]
pub struct InvalidAddress(&'static str);

impl Address {
    /// Reads `amqp[s]://user:password@host[:port][,host[:port]…][/vhost][?…]`, one address a node, in the order of
    /// the text. What is in front of the hosts and behind them holds for every node. A missing or empty vhost is
    /// `/`. Known after the `?`: `frame_max`, `channel_max`, `heartbeat`, `auth_mechanism`.
    ///
    /// # Errors
    /// [`InvalidAddress`], which says what is wrong without quoting the address.
    pub fn parse_nodes(secret: &SecretString) -> Result<Vec<Self>, InvalidAddress> {
        let parts = Parts::of(secret.expose_secret())?;
        parts.hosts.split(',').map(|host| Self::parse(&parts.with(host.trim()))).collect()
    }

    fn parse(secret: &SecretString) -> Result<Self, InvalidAddress> {
        let text = secret.expose_secret();
        let url = url::Url::parse(text).map_err(|_| InvalidAddress("the broker's address is not a URL"))?;
        if !matches!(url.scheme(), "amqp" | "amqps") {
            return Err(InvalidAddress("the broker's address does not begin with amqp:// or amqps://"));
        }
        let host = match url.host() {
            Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(url::Host::Ipv4(ip)) => ip.to_string(),
            Some(url::Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err(InvalidAddress("the broker's address names no host")),
        };
        // Also what a list of whole addresses would look like, and that would show a password as a vhost.
        if url.path().trim_start_matches('/').contains('/') || url.path().starts_with("//") {
            return Err(InvalidAddress("the vhost has a slash that is not written as %2F"));
        }
        let mut uri: AMQPUri =
            text.parse().map_err(|_| InvalidAddress("the broker's address has a part that can't be read"))?;
        uri.authority.host = host;
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        Ok(Self { uri })
    }

    /// The virtual host.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// For the one place that connects.
    pub(crate) fn uri(&self) -> AMQPUri {
        self.uri.clone()
    }
}

/// An address cut around its hosts.
struct Parts<'a> {
    /// Scheme and credentials, with what separates them from the hosts.
    before: &'a str,
    hosts: &'a str,
    /// Path and query, with what separates them from the hosts.
    after: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, InvalidAddress> {
        const SEPARATOR: &str = "://";
        let scheme = text.find(SEPARATOR).ok_or(InvalidAddress("the broker's address is not a URL"))?;
        let authority = scheme + SEPARATOR.len();
        let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |n| authority + n);
        let hosts = text[authority..end].rfind('@').map_or(authority, |n| authority + n + 1);
        Ok(Self { before: &text[..hosts], hosts: &text[hosts..end], after: &text[end..] })
    }

    /// The address of one node.
    fn with(&self, host: &str) -> SecretString {
        SecretString::from(format!("{}{host}{}", self.before, self.after))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} vhost {}", self.uri.authority.host, self.uri.authority.port, self.uri.vhost)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn parse(text: &str) -> Result<Vec<Address>, InvalidAddress> {
        Address::parse_nodes(&SecretString::from(text))
    }

    fn one(text: &str) -> Address {
        let [address] = <[Address; 1]>::try_from(parse(text).unwrap()).unwrap();
        address
    }

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let address = one("amqp://shop:s3cret@broker.example:5673/forebay");
        assert_eq!(address.to_string(), "broker.example:5673 vhost forebay");
        assert!(!format!("{address:?}").contains("s3cret"));
        let options = Options::new(vec![address], "test");
        assert!(!format!("{options:?}").contains("s3cret"));
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        for text in [
            "",
            "s3cret",
            "http://u:s3cret@h/",
            "amqp:///s3cret",
            "amqp://u:s3cret@h/?heartbeat=s3cret",
            "amqp://u:s3cret@h1,/v",
            "amqp://u:s3cret@,h1/v",
            "amqp://u:s3cret@h1:5672:h2/v",
            "amqp://u:s3cret@h1,amqp://u:s3cret@h2/v",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_numbered_host_and_a_missing_vhost_are_understood() {
        let address = one("amqps://u:p@[::1]");
        assert_eq!(address.uri().authority.host, "::1");
        assert_eq!(address.uri().authority.port, 5671);
        assert_eq!(address.uri().vhost, "/");
        assert_eq!(one("amqp://127.0.0.1:5672/").uri().vhost, "/");
        assert_eq!(one("amqp://h/a%2Fb").uri().vhost, "a/b");
    }

    #[test]
    fn every_node_of_a_list_has_the_credentials_the_vhost_and_the_query() {
        let nodes = parse("amqp://u:p%40,%2F@one:5673, two,[::1]:5674/shop?heartbeat=7").unwrap();
        let shown: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["one:5673 vhost shop", "two:5672 vhost shop", "::1:5674 vhost shop"]);
        for node in &nodes {
            let uri = node.uri();
            assert_eq!(uri.authority.userinfo.username, "u");
            assert_eq!(uri.authority.userinfo.password, "p@,/");
            assert_eq!(uri.query.heartbeat, Some(7));
        }
    }
}
