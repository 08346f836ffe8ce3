//! `sandbox`: the outside world alone, for a set-up in which every role is a process of its own.

pub(crate) mod settings;

use std::time::Duration;

use forebay_sandbox::{CarrierName, Options, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SandboxArgs;
use crate::commands::{people, table};
use crate::exit::{CONFIGURATION, Exit};

pub(crate) async fn run(args: SandboxArgs) -> Result<(), Exit> {
    let options = options(&args);
    if args.settings {
        let host = args.host.clone().unwrap_or_else(|| args.listen.ip().to_string());
        return people::print(&settings::toml(&host, &options));
    }
    let sandbox = Sandbox::start(options).await.map_err(|error| {
        let text = format!("{} or {} can't be listened on: {error}; choose others", args.listen, args.smtp);
        Exit::new(CONFIGURATION, text)
    })?;
    people::note(&banner(&sandbox));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

fn options(args: &SandboxArgs) -> Options {
    let defaults = Options::default();
    let options = Options {
        seed: args.seed,
        begin: args.begin.unwrap_or(defaults.begin),
        carrier_quota_per_second: args.quota,
        enforce_quota: args.enforce_quota,
        push_retry: Duration::from_millis(args.push_retry_ms),
        listen: args.listen,
        smtp: args.smtp,
        ..defaults
    };
    if args.documented_limits { options.with_documented_limits() } else { options }
}

fn banner(sandbox: &Sandbox) -> String {
    let base = sandbox.http_url();
    let mut rows = vec![
        vec!["control".to_owned(), format!("{base}/_control/record")],
        vec!["shop".to_owned(), format!("{base}/shop/returns, {base}/shop/return-results")],
        vec!["slack".to_owned(), format!("{base}/slack/api/")],
        vec!["mail".to_owned(), sandbox.smtp_addr().to_string()],
        vec!["what people read".to_owned(), format!("{base}/slack and {base}/mail, in a browser")],
    ];
    let carriers =
        CarrierName::ALL.map(|name| vec![format!("carriers.{name}.url"), format!("{base}/{name}/")]);
    rows.extend(carriers);
    format!(
        "the sandbox answers\n\n{}\n\n`forebay sandbox --settings` prints a configuration file that points an \
         installation at it. Ctrl-C stops; it keeps nothing.",
        table::plain(&[], rows)
    )
}
