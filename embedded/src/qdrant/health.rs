//! The health check, by which a client learns whom it talks to.

use qdrant_client::qdrant::{HealthCheckReply, HealthCheckRequest, qdrant_server::Qdrant};
use tonic::{Request, Response, Status};

/// The server's version whose protocol is spoken: that of the client crate. A client warns when
/// it is more than one minor version away.
const VERSION: &str = "1.20.0";

#[derive(Debug)]
pub(super) struct Health;

#[tonic::async_trait]
impl Qdrant for Health {
    async fn health_check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckReply>, Status> {
        Ok(Response::new(HealthCheckReply {
            title: "qdrant - vector search engine (embedded in Vectide)".to_owned(),
            version: VERSION.to_owned(),
            commit: None,
        }))
    }
}
