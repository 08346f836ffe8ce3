//! The labels of the metrics: what each may hold. All are bounded by the configuration or by a closed list.

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The words that it may hold; when there are none, `what` says where they come from.
    pub words: &'static [&'static str],
    /// What it may hold besides, or what bounds it.
    pub what: &'static str,
}

const fn closed(name: &'static str, words: &'static [&'static str]) -> Label {
    Label { name, words, what: "" }
}

const fn bounded(name: &'static str, what: &'static str) -> Label {
    Label { name, words: &[], what }
}

const A_CODE: &str = "a [code](runbooks/README.md)";

/// A queue.
pub const QUEUE: Label = bounded("queue", "a queue, e.g. `forebay.rewards`");
/// A queue, or the spool.
pub const DEAD_QUEUE: Label =
    Label { name: "queue", words: &["spool"], what: "a queue, e.g. `forebay.rewards`" };
/// Why.
pub const CODE: Label = bounded("code", A_CODE);
/// The type of an event.
pub const TYPE: Label =
    Label { name: "type", words: &["unknown"], what: "a type of the catalogue, e.g. `return.requested.v1`" };
/// What became of an event that came in.
pub const RECEIVED: Label = Label { name: "result", words: &["accepted", "not_stored"], what: A_CODE };
/// A status of HTTP.
pub const STATUS: Label = bounded("status", "a status of HTTP, e.g. `202`");
/// What became of a message.
pub const SETTLED: Label =
    closed("result", &["done", "duplicate", "retry", "defer", "reject", "unknown", "lost"]);
/// An outside system.
pub const SYSTEM: Label = bounded(
    "system",
    "an outside system: `carrier/<id>`, `shop/returns`, `shop/results`, `slack`; commands of people and the demo add \
     their own",
);
/// A carrier's system as its hook names it.
pub const HOOK: Label =
    Label { name: "system", words: &["unknown"], what: "a carrier's system, e.g. `easypost`" };
/// What became of a call.
pub const CALLED: Label = Label { name: "result", words: &["ok"], what: A_CODE };
/// What became of a wish for permits.
pub const PERMITTED: Label = closed("result", &["granted", "probe", "refused"]);
/// The software that speaks with a carrier's system.
pub const ADAPTER: Label = bounded("adapter", "a carrier's system, e.g. `fedex`");
/// What became of a push.
pub const PUSHED: Label = closed(
    "result",
    &["taken", "no_such_hook", "unsigned", "wrong_signature", "unreadable", "too_large", "not_stored"],
);
/// What a push told of a parcel.
pub const PUSH_MERGED: Label = closed("result", &["merged", "late", "to_look_up", "not_followed"]);
/// Where notices go.
pub const SINK: Label = closed("sink", &["slack", "mail"]);
/// What became of a notice.
pub const NOTICED: Label = closed("result", &["ok", "rate_limited", "failed"]);
/// A job of the clock.
pub const JOB: Label = bounded("job", "a job of the schedule, e.g. `collect-returns`");
/// What became of a firing.
pub const FIRED: Label = closed("result", &["fired", "elsewhere", "failed"]);
/// What became of a replayed letter.
pub const REPLAYED: Label = closed("result", &["published", "skipped", "done", "failed"]);
/// Something that is remembered for a time.
pub const MEMORY: Label = closed(
    "memory",
    &[
        "inbox",
        "effects",
        "firings",
        "incidents",
        "open_dead_letters",
        "closed_dead_letters",
        "replays",
        "audit_log",
        "workers",
    ],
);
/// The rule by which an incident was raised.
pub const RULE: Label = bounded("rule", "a rule of [the runbooks](runbooks/README.md), e.g. `breaker_open`");
/// How bad it is.
pub const SEVERITY: Label = closed("severity", &["info", "warning", "critical"]);
/// Something that a process does again and again.
pub const TASK: Label =
    closed("task", &["relay", "planner", "clock", "replayer", "queues", "steward", "figures"]);
/// The state of a thing of the business.
pub const STATE: Label = bounded("state", "a state, as the api tells it");
/// A reward.
pub const REWARD: Label = bounded("reward", "the id of a reward; at most 500 of them are counted");
/// Something that a role needs.
pub const CHECK: Label =
    bounded("check", "a check of `/readyz`, e.g. `store`, `queue`, `consumer forebay.rewards`");
/// The release.
pub const VERSION: Label = bounded("version", "the release");
