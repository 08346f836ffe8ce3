//! A sandbox in another process, through its control.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_outbound::{AllowedHost, Call, HttpClient, HttpOptions};
use forebay_sandbox::Faults;
use forebay_telemetry::Metrics;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::compose::System;
use crate::exit::{Exit, FAILED, UNAVAILABLE};

/// Items of a list read at once.
const PAGE: usize = 1_000;
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

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
    key: String,
    body: Value,
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<Value>,
}

impl FarSandbox {
    /// The sandbox at this address.
    pub(crate) fn reach(system: &System, url: Url) -> Result<Self, Exit> {
        let entry = AllowedHost::of_url(&url, true).map_err(Exit::failed)?;
        let options = HttpOptions { body_cap: ANSWER_BYTES, ..HttpOptions::new(vec![entry]) };
        let metrics = Metrics::new("storm");
        let client = HttpClient::new(options, Arc::clone(&system.clock), metrics).map_err(Exit::failed)?;
        Ok(Self { client, url })
    }

    /// All that it keeps of a list, oldest first.
    pub(crate) async fn all<T: DeserializeOwned>(&self, list: &str) -> Result<Vec<T>, Exit> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let mut url = self.at(&format!("_control/{list}"))?;
            url.query_pairs_mut()
                .append_pair("limit", &PAGE.to_string())
                .append_pair("after", &format!("{after}"));
            let page: Listed = serde_json::from_slice(&self.answered(Call::get("sandbox", url)).await?)
                .map_err(Exit::failed)?;
            let full = page.items.len() == PAGE;
            for item in page.items {
                after = item["number"].as_u64().unwrap_or(after);
                found.push(serde_json::from_value(item).map_err(Exit::failed)?);
            }
            if !full {
                return Ok(found);
            }
        }
    }

    /// One of its pages for people.
    pub(crate) async fn page(&self, name: &str) -> Result<String, Exit> {
        let bytes = self.answered(Call::get("sandbox", self.at(name)?)).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sets the switches by which it misbehaves.
    pub(crate) async fn set_faults(&self, faults: &Faults) -> Result<(), Exit> {
        let url = self.at("_control/faults")?;
        self.answered(Call::post_json("sandbox", url, &json!(faults))).await.map(drop)
    }

    /// The distinct (idempotency key, return id) of the results that the shop took.
    pub(crate) async fn results(&self) -> Result<BTreeSet<(String, String)>, Exit> {
        let taken: Vec<Taken> = self.all("results").await?;
        let results = taken.into_iter().map(|taken| {
            let return_id = taken.body["return_id"].as_str().unwrap_or_default().to_owned();
            (taken.key, return_id)
        });
        Ok(results.collect())
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
