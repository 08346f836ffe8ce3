//! Where the broker is and how it is used.

use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret as _, SecretString};

/// How the broker is used; everything but the addresses has a default that is meant for production.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nodes of the broker; tried in random order. At least one.
    pub addresses: Vec<Address>,
    /// What the connections are called in the broker's own listings, e.g. `forebay/work`.
    pub connection_name: String,
    /// Channels that publish, each with one message in flight; at least 1.
    pub publish_channels: u16,
    /// How long a batch waits for its confirms.
    pub publish_deadline: Duration,
    /// Heartbeat, in whole seconds; a connection that is silent for twice this long is dead. An address that
    /// names a heartbeat of its own wins.
    pub heartbeat: Duration,
    /// How long one attempt to connect may take, handshake included.
    pub connect_timeout: Duration,
    /// How the queues are declared.
    pub topology: TopologyOptions,
}

impl Options {
    /// The defaults, for these nodes.
    #[must_use]
    pub fn new(addresses: Vec<Address>, connection_name: impl Into<String>) -> Self {
        Self {
            addresses,
            connection_name: connection_name.into(),
            publish_channels: 32,
            publish_deadline: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            topology: TopologyOptions::default(),
        }
    }
}

/// How the queues are declared. All roles of an installation must agree: it is part of the topology's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyOptions {
    /// How often the broker delivers a message of a work queue again before it moves it to `forebay.dead`.
    pub delivery_limit: u32,
}

impl Default for TopologyOptions {
    fn default() -> Self {
        Self { delivery_limit: 20 }
    }
}

/// One node of the broker, with the credentials for it. Shown without them.
#[derive(Clone)]
pub struct Address {
    // Holds the password in clear, as lapin wants it: never derive Debug, never hand out.
    uri: AMQPUri,
}

/// Why a text is not the address of a broker. Never quotes the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; an address looks like amqps://user:password@host:5671/vhost")]
pub struct InvalidAddress(&'static str);

impl Address {
    /// Reads `amqp[s]://user:password@host[:port][/vhost][?frame_max=…&channel_max=…&heartbeat=…&auth_mechanism=…]`.
    /// A missing or empty vhost is `/`.
    ///
    /// # Errors
    /// [`InvalidAddress`], which says what is wrong without quoting the address.
    pub fn parse(secret: &SecretString) -> Result<Self, InvalidAddress> {
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
        let mut uri: AMQPUri =
            text.parse().map_err(|_| InvalidAddress("the broker's address has a part that can't be read"))?;
        uri.authority.host = host;
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        Ok(Self { uri })
    }

    /// For the one place that connects.
    pub(crate) fn uri(&self) -> AMQPUri {
        self.uri.clone()
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

    fn parse(text: &str) -> Result<Address, InvalidAddress> {
        Address::parse(&SecretString::from(text))
    }

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let address = parse("amqp://shop:s3cret@broker.example:5673/forebay").unwrap();
        assert_eq!(address.to_string(), "broker.example:5673 vhost forebay");
        assert!(!format!("{address:?}").contains("s3cret"));
        let options = Options::new(vec![address], "test");
        assert!(!format!("{options:?}").contains("s3cret"));
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        for text in
            ["", "s3cret", "http://u:s3cret@h/", "amqp:///s3cret", "amqp://u:s3cret@h/?heartbeat=s3cret"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_numbered_host_and_a_missing_vhost_are_understood() {
        let address = parse("amqps://u:p@[::1]").unwrap();
        assert_eq!(address.uri().authority.host, "::1");
        assert_eq!(address.uri().authority.port, 5671);
        assert_eq!(address.uri().vhost, "/");
        assert_eq!(parse("amqp://127.0.0.1:5672/").unwrap().uri().vhost, "/");
        assert_eq!(parse("amqp://h/a%2Fb").unwrap().uri().vhost, "a/b");
    }
}
