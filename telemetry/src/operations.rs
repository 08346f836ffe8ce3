//! The operations port: `/livez`, `/readyz`, `/metrics`, apart from the ports that users reach.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::health::{Check, Health};
use crate::metrics::Metrics;

/// The routes of the operations port.
pub fn routes(metrics: Metrics, health: Health) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state((metrics, health))
}

/// Serves the operations port until `stop` is done.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    health: Health,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, routes(metrics, health)).with_graceful_shutdown(stop).await
}

type Shared = State<(Metrics, Health)>;

async fn livez(State((_, health)): Shared) -> Response {
    answer(health.liveness())
}

async fn readyz(State((_, health)): Shared) -> Response {
    answer(health.readiness())
}

async fn render(State((metrics, health)): Shared) -> impl IntoResponse {
    metrics.tell(&health.readiness());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

fn answer(checks: Vec<Check>) -> Response {
    let ok = checks.iter().all(|c| c.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "ok": ok, "checks": checks }))).into_response()
}
