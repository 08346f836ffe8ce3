//! `doctor`: every need of this installation, and how to mend what is wrong.

use std::time::Duration;

use forebay_queue::Link;
use forebay_telemetry::Check;

use crate::commands::{people, table};
use crate::compose::System;
use crate::config::Config;
use crate::exit::{Exit, FAILED};
use crate::roles::store_check;

/// How long the queue's link may take to come up.
const LINK_WAIT: Duration = Duration::from_secs(6);

pub(crate) async fn run(config: Config, json: bool) -> Result<(), Exit> {
    let system = System::new(config);
    let mut checks = vec![Check::ok("configuration")];
    checks.extend(back_ends(&system).await);
    checks.extend(outside(&system));
    checks.extend(system.issuer_checks().await);
    let sound = checks.iter().all(|c| c.ok);
    if json {
        people::print_json(&serde_json::json!({ "ok": sound, "checks": checks }))?;
    } else {
        let rows = checks.iter().map(|c| {
            let sign = if c.ok { "ok" } else { "WRONG" };
            vec![sign.to_owned(), c.name.clone(), c.detail.clone()]
        });
        people::print(&table::plain(&[], rows))?;
    }
    if sound { Ok(()) } else { Err(Exit::new(FAILED, "")) }
}

async fn back_ends(system: &System) -> Vec<Check> {
    let opened = match system.open().await {
        Ok(opened) => opened,
        Err(error) => return vec![Check::failed("store", error.message)],
    };
    let mut checks = Vec::new();
    match system.store(&opened).await {
        Ok(store) => checks.push(store_check(store.as_ref(), system.clock.as_ref()).await),
        Err(error) => checks.push(Check::failed("store", error.message)),
    }
    match system.broker(&opened).await {
        Ok(broker) => {
            let begun = tokio::time::Instant::now();
            while matches!(broker.link(), Link::Down(_)) && begun.elapsed() < LINK_WAIT {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            checks.push(match broker.link() {
                Link::Down(why) => Check::failed("queue", why),
                Link::Blocked(why) => Check::failed("queue", format!("takes no messages: {why}")),
                Link::Up => match broker.check(&system.topology).await {
                    Ok(()) => Check::ok("queue"),
                    Err(error) => Check::failed("queue", error.to_string()),
                },
            });
            broker.close().await;
        }
        Err(error) => checks.push(Check::failed("queue", error.message)),
    }
    opened.close().await;
    checks
}

/// What can be told of the outside without calling it.
fn outside(system: &System) -> Vec<Check> {
    let config = &system.config;
    let mut checks = Vec::new();
    let mut need = |name: &str, there: bool, lack: &str| {
        checks.push(if there { Check::ok(name) } else { Check::failed(name, lack) });
    };
    need(
        "keys",
        !config.keys.is_empty(),
        "no key is configured, so nobody can send events; run `forebay key new`",
    );
    need("carriers", !config.adapters().is_empty(), "no carriers.<id>.url is set; parcels are not followed");
    need(
        "results",
        config.returns.result_url.is_some(),
        "returns.result_url is not set; the shop hears of no pick-up",
    );
    for (id, system) in config.carriers.configured() {
        if system.push_secret.get().is_some() && system.hook_token.get().is_none() {
            let name = format!("pushes of {id}");
            need(
                &name,
                false,
                "push_secret is set, hook_token is not; nothing can be pushed, see docs/carriers.md",
            );
        }
    }
    let told = config.slack.webhook_url.get().is_some()
        || config.slack.bot_token.get().is_some()
        || !config.mail.host.is_empty();
    need("notices", told, "neither slack nor mail is set; nobody hears of trouble");
    if let Err(error) = system.http_client().and_then(|client| system.sinks(&client).map(|_| ())) {
        checks.push(Check::failed("outbound", error.message));
    }
    checks
}
