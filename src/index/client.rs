//! Qdrant's services over one connection.
//!
//! The generated services of `qdrant-client` are used without its own client around them, which
//! sends a call again when its connection breaks. A write must not be sent again under the same
//! epoch, or the first one, arriving late, undoes what was written in between: see
//! [`writer`](super::writer). It also copies each request to be able to, and can't be told whom to
//! trust.

use std::sync::Arc;

use qdrant_client::qdrant::{
    collections_client::CollectionsClient, points_client::PointsClient,
    qdrant_client::QdrantClient as ServerClient,
};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::Codec,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::config::Secret;

/// A connection to Qdrant, which comes about with the first call and again when it broke. Each
/// call is made once. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    key: ApiKey,
    /// The key's text, which some servers repeat.
    secret: Option<Secret>,
    /// Where to, as people know it.
    url: Arc<str>,
}

type Keyed = InterceptedService<Channel, ApiKey>;

impl Client {
    /// Over `channel`, which leads to `url`. Fails where the key has characters that go into no header.
    pub(super) fn new(
        channel: Channel,
        key: Option<Secret>,
        url: &str,
    ) -> Result<Self, InvalidMetadataValue> {
        Ok(Self {
            channel,
            key: ApiKey(key.as_ref().map(in_header).transpose()?),
            secret: key,
            url: url.into(),
        })
    }

    /// A call with messages of one's own.
    pub(super) async fn call<C>(
        &self,
        message: C::Encode,
        path: PathAndQuery,
        codec: C,
    ) -> Result<C::Decode, Status>
    where
        C: Codec,
        C::Encode: Send + Sync + 'static,
        C::Decode: Send + Sync + 'static,
    {
        let service = InterceptedService::new(self.channel.clone(), self.key.clone());
        let mut grpc = Grpc::new(service).max_decoding_message_size(usize::MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))?;
        let answer = grpc.unary(Request::new(message), path, codec).await?;
        Ok(answer.into_inner())
    }

    /// What can be asked of points.
    pub fn points(&self) -> PointsClient<Keyed> {
        // Servers answer with as much as they are asked for.
        PointsClient::with_interceptor(self.channel.clone(), self.key.clone())
            .max_decoding_message_size(usize::MAX)
    }

    /// What can be asked of collections.
    pub fn collections(&self) -> CollectionsClient<Keyed> {
        CollectionsClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    /// What can be asked of the server.
    pub fn server(&self) -> ServerClient<Keyed> {
        ServerClient::with_interceptor(self.channel.clone(), self.key.clone())
    }

    /// What the server says of an error, without the key.
    pub(super) fn said(&self, error: &Status) -> String {
        let said = error.message();
        match &self.secret {
            Some(key) => key.hide_in(None, said),
            None => said.to_owned(),
        }
    }

    /// Where to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.url)
    }
}

fn in_header(key: &Secret) -> Result<MetadataValue<Ascii>, InvalidMetadataValue> {
    let mut value = MetadataValue::try_from(key.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts the key into each call.
#[derive(Clone)]
pub struct ApiKey(Option<MetadataValue<Ascii>>);

impl Interceptor for ApiKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("api-key", key.clone());
        }
        Ok(request)
    }
}
