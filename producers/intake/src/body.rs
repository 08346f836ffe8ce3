//! Bodies: read whole, within limits of size and time, and inflated.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use forebay_schemas::Code;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::problem::{Kind, Problem};

/// Most bytes of a refused body that are read and thrown away, so that its sender gets to read the answer.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
/// How long they may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How large a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// In bytes, as sent.
    pub sent: usize,
    /// In bytes, after decompression.
    pub inflated: usize,
}

/// The body of a request, not yet read.
#[derive(Debug)]
pub struct Incoming {
    stream: BodyDataStream,
    /// `Content-Length`, when there is one.
    declared: Option<usize>,
    gzip: bool,
    /// The sender waits for leave to send the body.
    asks_first: bool,
    ended: bool,
}

impl Incoming {
    /// The body of a request with these headers.
    #[must_use]
    pub fn new(headers: &HeaderMap, body: Body) -> Self {
        let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        Self {
            stream: body.into_data_stream(),
            declared,
            gzip: headers.get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity"),
            asks_first: headers.contains_key(header::EXPECT),
            ended: false,
        }
    }

    /// The most memory that the body will take under these limits, in bytes.
    #[must_use]
    pub fn most_memory(&self, limits: BodyLimits) -> usize {
        let sent = self.declared.unwrap_or(limits.sent).min(limits.sent);
        if self.gzip { sent + limits.inflated } else { sent }
    }

    /// Reads the body to its end and inflates it. All of it must be here by the deadline.
    ///
    /// # Errors
    /// Problems 400, 408 and 413.
    pub async fn read(&mut self, limits: BodyLimits, deadline: Instant) -> Result<Bytes, Problem> {
        if self.declared.is_some_and(|declared| declared > limits.sent) {
            return Err(too_large(limits.sent));
        }
        let sent = match timeout_at(deadline, self.collect(limits.sent)).await {
            Ok(sent) => sent?,
            Err(_) => {
                // What comes after a half-read body can't be told from it: the connection ends here.
                self.ended = true;
                let detail = "The body did not arrive in time.";
                return Err(Problem::new(Kind::RequestTimeout, detail)
                    .header(header::CONNECTION, HeaderValue::from_static("close")));
            }
        };
        if self.gzip { inflate(&sent, limits.inflated) } else { Ok(sent) }
    }

    /// Reads on and throws away, within bounds: a sender that is cut off in the middle of its body often never
    /// gets to see the answer.
    pub async fn drain(&mut self) {
        if self.ended || self.asks_first {
            return;
        }
        let throw_away = async {
            let mut left = DRAIN_BYTES;
            while let Some(Ok(chunk)) = self.stream.next().await {
                let Some(rest) = left.checked_sub(chunk.len()) else { return };
                left = rest;
            }
        };
        // Who takes longer is cut off after all.
        let _ = tokio::time::timeout(DRAIN_TIME, throw_away).await;
    }

    async fn collect(&mut self, most: usize) -> Result<Bytes, Problem> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        if first.len() > most {
            return Err(too_large(most));
        }
        if self.declared == Some(first.len()) {
            // Nearly every single event: one chunk, and no copy.
            self.ended = true;
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(self.declared.unwrap_or(2 * first.len()).min(most));
        whole.extend_from_slice(&first);
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > most {
                return Err(too_large(most));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = self.stream.next().await.transpose();
        self.ended = !matches!(chunk, Ok(Some(_)));
        chunk.map_err(|_| {
            Problem::new(Kind::InvalidRequest, "The body broke off or is not framed as HTTP asks.")
        })
    }
}

/// Checks that the body's encoding is one that [`Incoming::read`] undoes.
///
/// # Errors
/// A problem 415 that names them.
pub fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one == "gzip" || one == "identity" => Ok(()),
        _ => Err(Problem::new(Kind::UnsupportedMediaType, "The body may be encoded by gzip or not at all.")
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"))),
    }
}

fn inflate(sent: &[u8], most: usize) -> Result<Bytes, Problem> {
    let mut inflated = Vec::new();
    let read = MultiGzDecoder::new(sent).take(most as u64 + 1).read_to_end(&mut inflated);
    match read {
        Ok(length) if length > most => Err(too_large(most)),
        Ok(_) => Ok(inflated.into()),
        Err(_) => Err(Problem::new(Kind::InvalidRequest, "The body is not gzip, as its encoding says.")),
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("The body may have {most} bytes at most."))
        .code(Code::TooLarge)
        .max_bytes(most)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { sent: 1000, inflated: 4000 };

    async fn read(headers: &[(header::HeaderName, &str)], chunks: Vec<Vec<u8>>) -> Result<Bytes, Problem> {
        let headers = headers.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect();
        let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
        let body = Body::from_stream(futures::stream::iter(chunks));
        let mut incoming = Incoming::new(&headers, body);
        incoming.read(LIMITS, Instant::now() + Duration::from_secs(5)).await
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn chunks_are_put_together() {
        let body = read(&[], vec![b"ab".to_vec(), b"cd".to_vec()]).await.unwrap();
        assert_eq!(body.as_ref(), b"abcd");
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_still_bounded() {
        let problem = read(&[], vec![vec![b'x'; 600]; 2]).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::TooLarge);
    }

    #[tokio::test]
    async fn gzip_is_undone_and_a_bomb_is_refused() {
        let headers = [(header::CONTENT_ENCODING, "gzip")];
        let body = read(&headers, vec![gzip(b"hello")]).await.unwrap();
        assert_eq!(body.as_ref(), b"hello");
        let bomb = gzip(&vec![0; 100_000]);
        assert!(bomb.len() < LIMITS.sent);
        assert_eq!(read(&headers, vec![bomb]).await.unwrap_err().kind(), Kind::TooLarge);
        assert_eq!(read(&headers, vec![b"no".to_vec()]).await.unwrap_err().kind(), Kind::InvalidRequest);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_in_time_is_given_up() {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let mut incoming = Incoming::new(&HeaderMap::new(), body);
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(incoming.read(LIMITS, deadline).await.unwrap_err().kind(), Kind::RequestTimeout);
    }
}
