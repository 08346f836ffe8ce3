//! An installation that runs anyway: the storm knows its intake, a key and its store, and breaks it by commands only.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_sandbox::Faults;
use forebay_store::Store;
use rand::rngs::StdRng;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::burst::invariants::{Evidence, Invariant, Outside};
use crate::burst::mix::{self, Recipe, Straight, Tag};
use crate::cli::StormArgs;
use crate::compose::{Opened, System};
use crate::config::{BackEndUrl, Config};
use crate::exit::{CONFIGURATION, Exit};
use crate::storm::far_sandbox::FarSandbox;
use crate::storm::faults::Fault;
use crate::storm::installation::{Installation, Sums};
use crate::storm::told::Told;

/// How often the sums are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Somebody else's installation.
pub(crate) struct Running {
    system: System,
    store: Arc<dyn Store>,
    opened: Opened,
    intake: Url,
    key: SecretString,
    sandbox: Option<FarSandbox>,
    tag: Tag,
}

impl Running {
    /// Reaches its store, and adds a programme for this storm.
    pub(crate) async fn reach(args: &StormArgs, intake: Url) -> Result<Self, Exit> {
        let wrong = |text: &str| Exit::new(CONFIGURATION, text.to_owned());
        let url = args.store_url.clone().ok_or_else(|| wrong("--intake needs --store-url"))?;
        if url.starts_with("sqlite:") {
            let text = "an embedded installation has its file to itself, so that nobody else can count in it; \
                        leave --intake out, and the storm starts one of its own";
            return Err(wrong(text));
        }
        let path = args.key_file.as_ref().ok_or_else(|| wrong("--intake needs --key-file"))?;
        let key = std::fs::read_to_string(path).map_err(|error| {
            Exit::new(CONFIGURATION, format!("{} can't be read: {error}", path.display()))
        })?;
        let mut config = Config::defaults()?;
        // Of the back ends only the store is reached; the queue's URL just has to be of the same set.
        config.queue.url = BackEndUrl::new("amqp://unused".to_owned());
        config.store.url = BackEndUrl::new(url);
        let system = System::new(config);
        let opened = system.open().await?;
        let store = system.store(&opened).await?;
        let tag = Tag::of_run(system.ids.next());
        let now = system.clock.now();
        store.put_programme(&mix::programme(now, &tag)?, now).await?;
        let sandbox = match &args.sandbox {
            Some(url) => Some(FarSandbox::reach(&system, url.clone())?),
            None => None,
        };
        let key = SecretString::from(key.trim());
        Ok(Self { system, store, opened, intake, key, sandbox, tag })
    }

    async fn evidence(&self, sums: &Sums<'_>) -> Result<Vec<Invariant>, Exit> {
        let outside = match &self.sandbox {
            Some(sandbox) => {
                let carrier = sandbox.carrier().await?;
                Some(Outside {
                    results: sandbox.results().await?,
                    busiest_second: carrier.calls_in_any_second,
                    quota: carrier.quota_per_second,
                })
            }
            None => None,
        };
        let evidence = Evidence {
            accepted: sums.taken(),
            straight: sums.straight,
            store: self.store.as_ref(),
            tag: &self.tag,
            outside,
        };
        evidence.check().await
    }
}

#[async_trait]
impl Installation for Running {
    fn system(&self) -> &System {
        &self.system
    }

    fn intake(&self) -> Url {
        self.intake.clone()
    }

    fn key(&self) -> SecretString {
        self.key.clone()
    }

    fn recipe(&self, count: usize, seed: u64) -> Recipe {
        Recipe { count, seed, tag: self.tag.clone(), returns: self.sandbox.is_some() }
    }

    async fn strike(&mut self, fault: Fault, _: &mut StdRng) -> Result<(), Exit> {
        match (fault.of_the_outside(), &self.sandbox) {
            (Some(faults), Some(sandbox)) => sandbox.set_faults(&faults).await,
            _ => Ok(()),
        }
    }

    async fn mend(&mut self, fault: Fault) -> Result<(), Exit> {
        match (fault.of_the_outside(), &self.sandbox) {
            (Some(_), Some(sandbox)) => sandbox.set_faults(&Faults::default()).await,
            _ => Ok(()),
        }
    }

    fn revive(&mut self) -> Result<Vec<String>, Exit> {
        Ok(Vec::new())
    }

    async fn outside(&self) -> String {
        let Some(sandbox) = &self.sandbox else { return "no returns without --sandbox".to_owned() };
        match sandbox.carrier().await {
            Ok(carrier) => format!("carrier calls {}", carrier.calls),
            Err(error) => error.to_string(),
        }
    }

    async fn publish_straight(&self, _: Vec<Straight>) -> Result<Vec<Straight>, Exit> {
        // A program that publishes past the intake needs a user of the broker; the storm has none here.
        Ok(Vec::new())
    }

    async fn settled(&mut self, sums: &Sums<'_>) -> Result<(bool, Vec<Invariant>), Exit> {
        let deadline = Instant::now() + sums.patience;
        loop {
            // A store that is still coming back is asked again.
            let evidence = self.evidence(sums).await;
            let there = evidence.as_ref().is_ok_and(|all| all.iter().all(|i| i.lost == 0));
            if there || Instant::now() >= deadline {
                return Ok((there, evidence?));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn told(&self, since: DateTime<Utc>) -> Result<Told, Exit> {
        Told::gather(self.store.as_ref(), self.sandbox.as_ref(), since).await
    }

    async fn end(self: Box<Self>, _: bool) -> Result<(), Exit> {
        self.store.close().await;
        self.opened.close().await;
        Ok(())
    }
}
