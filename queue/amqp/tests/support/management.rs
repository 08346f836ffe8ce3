//! The little that tests need of RabbitMQ's management API, over plain HTTP/1.1.

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Management {
    address: String,
    user: String,
    authorization: String,
}

impl Management {
    pub(crate) fn new(url: &str) -> Self {
        let url: url::Url = url.parse().expect("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL is a URL");
        let host = url.host_str().expect("FOREBAY_TEST_RABBITMQ_MANAGEMENT_URL names a host");
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self {
            address: format!("{host}:{}", url.port().unwrap_or(15672)),
            user: user.to_owned(),
            authorization: format!("Basic {credentials}"),
        }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) async fn put(&self, path: &str, body: &str) {
        let (status, answer) = self.call("PUT", path, body).await;
        assert!((200..300).contains(&status), "PUT {path}: {status} {answer}");
    }

    pub(crate) async fn delete(&self, path: &str) {
        let (status, answer) = self.call("DELETE", path, "").await;
        assert!((200..300).contains(&status), "DELETE {path}: {status} {answer}");
    }

    /// The status and the whole answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.expect("the management API listens");
        stream.write_all(request.as_bytes()).await.expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the answer is read");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an HTTP status");
        (status, answer)
    }
}
