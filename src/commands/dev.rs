//! `dev`: every role in one process on one file, with a sandbox around it, until Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_intake::{ApiKey, Scope};
use forebay_sandbox::Sandbox;
use secrecy::{ExposeSecret, SecretString};

use crate::burst::mix;
use crate::cli::DevArgs;
use crate::commands::production::{StopSignal, bind};
use crate::commands::{people, table};
use crate::compose::System;
use crate::config::{BackEndUrl, Config};
use crate::dev_issuer::DevIssuer;
use crate::exit::{CONFIGURATION, Exit};
use crate::world;

pub(crate) async fn run(mut config: Config, args: DevArgs) -> Result<(), Exit> {
    let url = format!("sqlite:{}", args.data.display());
    config.queue.url = BackEndUrl::new(url.clone());
    config.store.url = BackEndUrl::new(url);
    let sandbox = if args.no_sandbox {
        None
    } else {
        let sandbox = Sandbox::start(forebay_sandbox::Options::default()).await?;
        world::point_at(&mut config, &sandbox)?;
        world::point_carriers_at(&mut config, &sandbox)?;
        Some(sandbox)
    };
    let mut system = System::new(config);
    let issuer = DevIssuer::read_or_make(&DevIssuer::file(&args.data), system.ids.as_ref())?;
    system.dev_issuer = Some(Arc::new(issuer));
    let key = dev_key(&key_file(&args.data), &system)?;
    let opened = system.open().await?;
    let running = system.running();
    let serving = world::start_all(&system, &opened, &running, vec![key.ring]).await?;
    let operations = bind("operations.listen", system.config.operations.listen).await?;
    let operations_at = operations.local_addr()?;
    let stop = StopSignal::listen()?;
    system.run_operations(&running, operations);
    if serving.store.programmes().await?.is_empty() {
        let now = system.clock.now();
        serving.store.put_programme(&mix::programme(now, &mix::Tag::own())?, now).await?;
    }
    people::note(&banner(&args, &system, operations_at, sandbox.as_ref(), &serving.address.to_string()));
    stop.wait(&system).await;
    running.stop().await;
    serving.broker.close().await;
    serving.store.close().await;
    opened.close().await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    Ok(())
}

fn banner(
    args: &DevArgs,
    system: &System,
    operations_at: std::net::SocketAddr,
    sandbox: Option<&Sandbox>,
    address: &str,
) -> String {
    let mut rows = vec![
        vec!["events and api".to_owned(), format!("http://{address}")],
        vec!["operations".to_owned(), format!("http://{operations_at}/readyz, /livez, /metrics")],
        vec!["data".to_owned(), args.data.display().to_string()],
        vec!["key".to_owned(), key_file(&args.data).display().to_string()],
        vec!["members' tokens".to_owned(), member_token(&args.data)],
    ];
    if let Some(sandbox) = sandbox {
        rows.push(vec!["sandbox".to_owned(), format!("{}/_control/record", sandbox.http_url())]);
        rows.push(vec!["sandbox mail".to_owned(), sandbox.smtp_addr().to_string()]);
        let base = sandbox.http_url();
        rows.push(vec!["what people read".to_owned(), format!("{base}/slack and {base}/mail, in a browser")]);
        for (id, carrier) in system.config.carriers.configured() {
            let Some(token) = carrier.hook_token.get() else { continue };
            let hook = format!("http://{address}/hooks/carriers/{id}/{}", token.expose_secret());
            rows.push(vec![format!("pushes of {id}"), hook]);
        }
    }
    format!(
        "forebay {} for development (one process, embedded queue and store; not for production)\n\n{}\n\n\
         Shop zone {}. Ctrl-C stops; everything accepted is kept in the data file.",
        env!("CARGO_PKG_VERSION"),
        table::plain(&[], rows),
        system.config.shop.tz
    )
}

/// The command that makes a member's token.
fn member_token(data: &Path) -> String {
    let default = data == Path::new("forebay.db");
    let data = if default { String::new() } else { format!(" --data {}", data.display()) };
    format!("forebay member token m-1{data}")
}

fn key_file(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

struct DevKey {
    ring: ApiKey,
}

/// The key of this data file: made at the first start, kept beside the file, readable by its owner only. Its id
/// begins with `dev`, which every other command refuses.
fn dev_key(path: &Path, system: &System) -> Result<DevKey, Exit> {
    let broken = || {
        let text =
            format!("{} does not hold a key of `forebay dev`; remove it and start again", path.display());
        Exit::new(CONFIGURATION, text)
    };
    if let Ok(text) = std::fs::read_to_string(path) {
        let (id, secret) =
            text.trim().strip_prefix("fbk_").and_then(|t| t.split_once('_')).ok_or_else(broken)?;
        return Ok(DevKey { ring: world::key_of(id, secret).map_err(|_| broken())? });
    }
    let random: [u8; 44] = rand::random();
    let (minted, _) = ApiKey::mint(&random, Scope::ALL);
    let secret = minted.expose_secret().rsplit('_').next().unwrap_or_default().to_owned();
    let id = format!("dev{}", &system.ids.next().simple().to_string()[23..]);
    people::write_private(path, &SecretString::from(format!("fbk_{id}_{secret}\n")))?;
    Ok(DevKey { ring: world::key_of(&id, &secret).map_err(|_| broken())? })
}
