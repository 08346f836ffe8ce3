//! HTTP/1.1 by hand over one kept connection, so that what is asked and answered is seen byte by byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_sandbox::{CARRIER_KEY, SIGNING_SECRET, Sandbox};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) async fn to(sandbox: &Sandbox) -> Self {
        let host = sandbox.http_url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), host }
    }

    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_call(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, text: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        answer.text = String::from_utf8(body).unwrap();
        Ok(answer)
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.call("POST", path, &headers, body.to_string().as_bytes()).await
    }

    /// Asks the carrier about a CJ parcel.
    pub(crate) async fn track(&mut self, number: &str) -> Answer {
        self.post("/sweettracker/api/v1/trackingInfo", &[], &question(CARRIER_KEY, "04", number)).await
    }

    /// Delivers a result, signed.
    pub(crate) async fn deliver(&mut self, key: &str, body: &[u8]) -> Answer {
        let time = chrono::Local::now().timestamp().to_string();
        let signature = signed(&time, key, body);
        let headers = [
            ("webhook-id", key),
            ("webhook-timestamp", &time),
            ("webhook-signature", &signature),
            ("idempotency-key", key),
        ];
        self.call("POST", "/shop/return-results", &headers, body).await
    }

    pub(crate) async fn fault(&mut self, faults: Value) {
        assert_eq!(self.post("/_control/faults", &[], &faults).await.status, 204);
    }
}

pub(crate) fn question(key: &str, carrier: &str, number: &str) -> Value {
    json!({ "t_key": key, "t_code": carrier, "t_invoice": number })
}

pub(crate) fn signed(time: &str, id: &str, body: &[u8]) -> String {
    let secret = STANDARD.decode(SIGNING_SECRET.trim_start_matches("whsec_")).unwrap();
    let message = [format!("{id}.{time}.").as_bytes(), body].concat();
    let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap().chain_update(message).finalize();
    format!("v1,{}", STANDARD.encode(mac.into_bytes()))
}
