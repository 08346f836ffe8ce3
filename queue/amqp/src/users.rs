//! The broker's users and what each may do, so that a stolen password opens as little as possible.

/// A user of the broker: three patterns over names of exchanges and queues, as `rabbitmqctl set_permissions` takes
/// them (<https://www.rabbitmq.com/docs/access-control>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The name that is suggested.
    pub name: &'static str,
    /// Who signs in as this user.
    pub of: &'static str,
    /// What it may declare and delete.
    pub configure: &'static str,
    /// What it may publish to.
    pub write: &'static str,
    /// What it may consume, purge and bind from.
    pub read: &'static str,
}

const NOTHING: &str = "^$";

/// The queue that says that the topology is there. Newer brokers let only those look at a queue who have some right to
/// it (4.2.6 and 4.3.0 only those who may configure it), and this one is always empty.
const MARKER: &str = r"^forebay\.topology\..+$";

/// Every user. The last one is there only where a shop publishes by itself.
pub const USERS: [User; 5] = [
    User {
        name: "forebay-deploy",
        of: "topology apply, and nothing that stays up",
        // A queue is declared with its dead-letter exchange, which takes the right to write there and to read here.
        configure: r"^forebay\..+$",
        write: r"^forebay\..+$",
        read: r"^forebay\..+$",
    },
    User {
        name: "forebay-accept",
        of: "serve intake",
        configure: NOTHING,
        write: r"^forebay\.(events|work)$",
        read: MARKER,
    },
    User {
        name: "forebay-api",
        of: "serve api, which also tells how full each queue is",
        configure: NOTHING,
        write: r"^forebay\..+$",
        read: MARKER,
    },
    User {
        name: "forebay-work",
        of: "work, relay, schedule",
        configure: NOTHING,
        write: r"^forebay\.(events|work|facts|delay\..+)$",
        read: r"^forebay\.(topology\..+|returns|tracking\..+|pushes|rewards|results|notices|dead|unrouted)$",
    },
    User {
        name: "forebay-shop",
        of: "a shop that publishes straight to the broker",
        configure: NOTHING,
        write: r"^forebay\.events$",
        read: NOTHING,
    },
];

impl User {
    /// The two commands with which an administrator of the broker makes this user; the first asks for a password.
    #[must_use]
    pub fn commands(&self, vhost: &str) -> [String; 2] {
        let vhost = quoted(vhost);
        let patterns = [self.configure, self.write, self.read].map(quoted).join(" ");
        [
            format!("rabbitmqctl add_user {}", self.name),
            format!("rabbitmqctl set_permissions -p {vhost} {} {patterns}", self.name),
        ]
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
