//! One route: where it is, who may use it, what answers, and what its document says.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use forebay_intake::{Kind, Scope};

use crate::api::Api;
use crate::callers::{Access, Members};
use crate::openapi::{Operation, Schemas, Told};

/// A route.
#[derive(Debug)]
pub struct Route {
    method: Method,
    path: &'static str,
    pub(crate) access: Access,
    pub(crate) counted: bool,
    pub(crate) handler: MethodRouter<Arc<Api>>,
    id: String,
    summary: &'static str,
    refusals: &'static [Kind],
    tell: fn(&mut Operation<'_>),
}

impl Route {
    /// Its method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, with its parameters in braces.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The scopes of which a key needs one; none where everybody may, with and without a key.
    #[must_use]
    pub fn scopes(&self) -> Option<&'static [Scope]> {
        self.access.scopes
    }

    /// Whether members may come with their tokens.
    #[must_use]
    pub fn members(&self) -> Members {
        self.access.members
    }

    /// Its name in the document: that of its handler.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it does, in a sentence.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// What may be sent, and what is answered.
    pub(crate) fn operation<'s>(&self, schemas: &'s mut Schemas) -> Operation<'s> {
        let mut operation = Operation::at(self.path, schemas);
        (self.tell)(&mut operation);
        operation.refuses(self.refusals);
        if self.access.scopes.is_some() {
            operation.refuses(&[Kind::InvalidKey, Kind::InsufficientScope, Kind::ReducedCapacity]);
        }
        if self.method != Method::GET {
            // The store may find any change in conflict with what is there.
            operation.refuses(&[Kind::Conflict]);
        }
        operation
    }

    /// With a sentence on what it does.
    pub(crate) fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// With what it may be refused for, beside what follows from its types and from who may use it.
    pub(crate) fn refuses(self, refusals: &'static [Kind]) -> Self {
        Self { refusals, ..self }
    }

    /// It is not counted with the reads: it goes the way of the intake, which has an admission of its own, or costs
    /// nothing.
    pub(crate) fn accepting(self) -> Self {
        Self { counted: false, ..self }
    }
}

pub(crate) fn get<H, T, I, O>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<Api>> + Told<I, O>,
    T: 'static,
{
    route(Method::GET, MethodFilter::GET, path, access, handler)
}

pub(crate) fn put<H, T, I, O>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<Api>> + Told<I, O>,
    T: 'static,
{
    route(Method::PUT, MethodFilter::PUT, path, access, handler)
}

pub(crate) fn post<H, T, I, O>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<Api>> + Told<I, O>,
    T: 'static,
{
    route(Method::POST, MethodFilter::POST, path, access, handler)
}

pub(crate) fn delete<H, T, I, O>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<Api>> + Told<I, O>,
    T: 'static,
{
    route(Method::DELETE, MethodFilter::DELETE, path, access, handler)
}

fn route<H, T, I, O>(
    method: Method,
    filter: MethodFilter,
    path: &'static str,
    access: Access,
    handler: H,
) -> Route
where
    H: Handler<T, Arc<Api>> + Told<I, O>,
    T: 'static,
{
    // `forebay_api::module::…::function`.
    let mut name = std::any::type_name::<H>().split("::").skip(1);
    let (module, function) = (name.next().unwrap_or_default(), name.last().unwrap_or_default());
    Route {
        method,
        path,
        access,
        counted: true,
        handler: on(filter, handler),
        id: format!("{module}_{function}"),
        summary: "",
        refusals: &[],
        tell: H::tell,
    }
}
