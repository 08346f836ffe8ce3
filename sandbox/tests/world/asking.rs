//! One question to any of the carriers, as their documents say that it is asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_sandbox::{
    AFTERSHIP_KEY, CarrierName, DHL_KEY, EASYPOST_KEY, FEDEX_CLIENT_ID, FEDEX_CLIENT_SECRET, Options,
    Sandbox, TRACKER_DELIVERY_CLIENT_ID, TRACKER_DELIVERY_CLIENT_SECRET, UPS_CLIENT_ID, UPS_CLIENT_SECRET,
};
use serde_json::{Value, json};

use crate::wire::{Answer, Client};

pub(crate) const GRAPHQL: &str = "query T($c: ID!, $n: String!) { track(carrierId: $c, trackingNumber: $n) { \
    trackingNumber lastEvent { time status { code name } description } \
    events(first: 50) { edges { node { time status { code } } } } } }";

/// A client of every carrier, with the tokens that it was given.
pub(crate) struct Asker {
    pub(crate) client: Client,
    fedex: Option<String>,
    ups: Option<String>,
}

pub(crate) async fn world() -> (Sandbox, Asker) {
    world_with(Options::default()).await
}

pub(crate) async fn world_with(options: Options) -> (Sandbox, Asker) {
    let sandbox = Sandbox::start(options).await.unwrap();
    let asker = Asker::of(&sandbox).await;
    (sandbox, asker)
}

impl Asker {
    pub(crate) async fn of(sandbox: &Sandbox) -> Self {
        Self { client: Client::to(sandbox).await, fedex: None, ups: None }
    }

    pub(crate) async fn fault(&mut self, name: CarrierName, faults: Value) {
        self.client.fault(json!({ "carriers": { name.id(): faults } })).await;
    }

    pub(crate) async fn ask(&mut self, name: CarrierName, number: &str) -> Answer {
        match name {
            CarrierName::SweetTracker => self.client.track(number).await,
            CarrierName::TrackerDelivery => {
                self.graphql(GRAPHQL, json!({ "c": "kr.cjlogistics", "n": number })).await
            }
            CarrierName::Fedex => self.fedex(&[number]).await,
            CarrierName::Dhl => self.dhl(&format!("?trackingNumber={number}")).await,
            CarrierName::Easypost => {
                self.easypost("POST", "", &json!({ "tracker": { "tracking_code": number } })).await
            }
            CarrierName::Ups => self.ups(number).await,
            CarrierName::Aftership => {
                self.aftership("POST", "", &json!({ "tracking_number": number, "slug": "usps" })).await
            }
        }
    }

    pub(crate) async fn graphql(&mut self, query: &str, variables: Value) -> Answer {
        let key = format!("TRACKQL-API-KEY {TRACKER_DELIVERY_CLIENT_ID}:{TRACKER_DELIVERY_CLIENT_SECRET}");
        let body = json!({ "query": query, "variables": variables });
        self.client.post("/tracker_delivery/graphql", &[("authorization", &key)], &body).await
    }

    pub(crate) async fn fedex_token(&mut self) -> Answer {
        let form = format!(
            "grant_type=client_credentials&client_id={FEDEX_CLIENT_ID}&client_secret={FEDEX_CLIENT_SECRET}"
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.client.call("POST", "/fedex/oauth/token", &headers, form.as_bytes()).await
    }

    pub(crate) async fn fedex(&mut self, numbers: &[&str]) -> Answer {
        let info: Vec<Value> =
            numbers.iter().map(|n| json!({ "trackingNumberInfo": { "trackingNumber": n } })).collect();
        self.fedex_body(&json!({ "includeDetailedScans": true, "trackingInfo": info })).await
    }

    pub(crate) async fn fedex_body(&mut self, body: &Value) -> Answer {
        if self.fedex.is_none() {
            self.fedex = self.fedex_token().await.json()["access_token"].as_str().map(str::to_owned);
        }
        let bearer = format!("Bearer {}", self.fedex.as_deref().unwrap_or_default());
        self.client.post("/fedex/track/v1/trackingnumbers", &[("authorization", &bearer)], body).await
    }

    pub(crate) async fn dhl(&mut self, query: &str) -> Answer {
        self.client
            .call("GET", &format!("/dhl/track/shipments{query}"), &[("DHL-API-Key", DHL_KEY)], b"")
            .await
    }

    pub(crate) async fn easypost(&mut self, method: &str, rest: &str, body: &Value) -> Answer {
        let key = format!("Basic {}", STANDARD.encode(format!("{EASYPOST_KEY}:")));
        let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
        let path = format!("/easypost/v2/trackers{rest}");
        self.client.call(method, &path, &headers, body.to_string().as_bytes()).await
    }

    pub(crate) async fn ups_token(&mut self) -> Answer {
        let key = format!("Basic {}", STANDARD.encode(format!("{UPS_CLIENT_ID}:{UPS_CLIENT_SECRET}")));
        let headers =
            [("authorization", key.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        self.client
            .call("POST", "/ups/security/v1/oauth/token", &headers, b"grant_type=client_credentials")
            .await
    }

    pub(crate) async fn ups(&mut self, number: &str) -> Answer {
        if self.ups.is_none() {
            self.ups = self.ups_token().await.json()["access_token"].as_str().map(str::to_owned);
        }
        let bearer = format!("Bearer {}", self.ups.as_deref().unwrap_or_default());
        let headers = [("authorization", bearer.as_str()), ("transId", "1"), ("transactionSrc", "shop")];
        let path = format!("/ups/api/track/v1/details/{number}?locale=en_US");
        self.client.call("GET", &path, &headers, b"").await
    }

    pub(crate) async fn aftership(&mut self, method: &str, rest: &str, body: &Value) -> Answer {
        let headers = [("as-api-key", AFTERSHIP_KEY), ("content-type", "application/json")];
        let path = format!("/aftership/tracking/2025-04/trackings{rest}");
        self.client.call(method, &path, &headers, body.to_string().as_bytes()).await
    }
}
