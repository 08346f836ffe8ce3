//! The intake's routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::accept::Intake;
use crate::events::post_events;
use crate::pushes::post_push;
use crate::{frame, server};

impl Intake {
    /// The intake's routes, framed.
    pub fn routes(self: &Arc<Self>) -> Router {
        let routes = Router::new()
            .route("/v1/events", post(post_events))
            .route("/hooks/carriers/{system}/{token}", post(post_push))
            .with_state(Arc::clone(self))
            .layer(middleware::from_fn_with_state(Arc::clone(self), count));
        frame::around(routes, Arc::clone(&self.ids))
    }

    /// Serves the intake until `stop` is done and the requests under way have ended.
    ///
    /// # Errors
    /// When the listener is not usable.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> std::io::Result<()> {
        server::serve(listener, self.routes(), stop).await
    }
}

async fn count(State(intake): State<Arc<Intake>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    intake.tally.answered(response.status(), begun.elapsed().as_secs_f64());
    response
}
