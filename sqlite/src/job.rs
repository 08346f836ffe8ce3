//! A piece of work for the writer, with the way back to its caller.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::error::Error;

/// What the writer does with a job.
pub(crate) trait Job: Send {
    /// Does the work. `false` means that what was written must be rolled back.
    fn run<'j>(&'j mut self, connection: &'j mut SqliteConnection) -> BoxFuture<'j, bool>;

    /// Tells the caller, once it is known whether the work is stored.
    fn answer(self: Box<Self>, stored: Result<(), Error>);
}

/// A closure as a job.
pub(crate) struct Task<F, T, E> {
    work: Option<F>,
    /// What the caller is doing, of which the work is a part.
    span: Span,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Task<F, T, E> {
    pub(crate) fn new(work: F) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (caller, answer) = oneshot::channel();
        (Self { work: Some(work), span: Span::current(), result: None, caller }, answer)
    }
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run<'j>(&'j mut self, connection: &'j mut SqliteConnection) -> BoxFuture<'j, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            // A panic ends this job, not the writer that everybody needs.
            let work = async move { work(connection).await }.instrument(self.span.clone());
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Error::Panicked.into()));
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, stored: Result<(), Error>) {
        let result = match (self.result, stored) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed.into()),
        };
        // The caller may have gone; the work is done all the same.
        let _ = self.caller.send(result);
    }
}
