//! `sandbox`: the outside world alone, for a set-up in which every role is a process of its own.

use forebay_sandbox::{Options, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SandboxArgs;
use crate::commands::people;
use crate::exit::{CONFIGURATION, Exit};

pub(crate) async fn run(args: SandboxArgs) -> Result<(), Exit> {
    let options = Options {
        carrier_quota_per_second: args.quota,
        listen: args.listen,
        smtp: args.smtp,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.map_err(|error| {
        let text = format!("{} or {} can't be listened on: {error}; choose others", args.listen, args.smtp);
        Exit::new(CONFIGURATION, text)
    })?;
    people::note(&format!(
        "the sandbox answers at {}, its mail server at {}",
        sandbox.http_url(),
        sandbox.smtp_addr()
    ));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}
