//! A sandbox in another process, through its control.

use std::collections::BTreeSet;

use forebay_outbound::{Call, HttpClient};
use forebay_sandbox::Faults;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::exit::{Exit, FAILED, UNAVAILABLE};

/// Results read at once.
const PAGE: usize = 1_000;

/// A sandbox that somebody else started.
#[derive(Debug)]
pub(crate) struct FarSandbox {
    client: HttpClient,
    url: Url,
}

/// What a carrier counted.
#[derive(Debug, Deserialize)]
pub(crate) struct CarrierFigures {
    /// All calls.
    pub(crate) calls: usize,
    /// Most in any second.
    pub(crate) calls_in_any_second: usize,
    /// Most that it takes in any second.
    pub(crate) quota_per_second: usize,
}

#[derive(Deserialize)]
struct Taken {
    number: u64,
    key: String,
    body: Value,
}

#[derive(Deserialize)]
struct Results {
    items: Vec<Taken>,
}

impl FarSandbox {
    pub(crate) fn new(client: HttpClient, url: Url) -> Self {
        Self { client, url }
    }

    /// Sets the switches by which it misbehaves.
    pub(crate) async fn set_faults(&self, faults: &Faults) -> Result<(), Exit> {
        let url = self.at("_control/faults")?;
        self.answered(Call::post_json("sandbox", url, &json!(faults))).await.map(drop)
    }

    /// The distinct (idempotency key, return id) of the results that the shop took.
    pub(crate) async fn results(&self) -> Result<BTreeSet<(String, String)>, Exit> {
        let mut found = BTreeSet::new();
        let mut after = None;
        loop {
            let mut url = self.at("_control/results")?;
            url.query_pairs_mut().append_pair("limit", &PAGE.to_string());
            if let Some(after) = after {
                url.query_pairs_mut().append_pair("after", &format!("{after}"));
            }
            let page: Results = serde_json::from_slice(&self.answered(Call::get("sandbox", url)).await?)
                .map_err(Exit::failed)?;
            after = page.items.last().map(|item| item.number);
            let full = page.items.len() == PAGE;
            found.extend(page.items.into_iter().map(|item| {
                let return_id = item.body["return_id"].as_str().unwrap_or_default().to_owned();
                (item.key, return_id)
            }));
            if !full {
                return Ok(found);
            }
        }
    }

    /// What its carrier counted.
    pub(crate) async fn carrier(&self) -> Result<CarrierFigures, Exit> {
        let bytes = self.answered(Call::get("sandbox", self.at("_control/carrier?limit=1")?)).await?;
        serde_json::from_slice(&bytes).map_err(Exit::failed)
    }

    fn at(&self, path: &str) -> Result<Url, Exit> {
        self.url.join(path).map_err(Exit::failed)
    }

    async fn answered(&self, call: Call) -> Result<bytes::Bytes, Exit> {
        let answer = self.client.call(&call).await.map_err(|error| {
            Exit::new(UNAVAILABLE, format!("the sandbox can't be asked: {error}; is --sandbox right?"))
        })?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(Exit::new(FAILED, format!("the sandbox answered {}; is --sandbox right?", answer.status)))
    }
}
