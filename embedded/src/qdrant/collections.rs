//! The collections service: what exists, under which names, and how it is made.

use std::{sync::Arc, time::Instant};

use qdrant_client::qdrant::{
    self as proto, CollectionStatus, collections_server::Collections as Service,
};
use tonic::{Request, Response, Status};

use super::{
    blocking,
    convert::{config, index},
    error::unimplemented,
    store::Store,
};

#[derive(Debug)]
pub(super) struct Collections {
    store: Arc<Store>,
}

impl Collections {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Works on the store where blocking is allowed.
    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Store) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let store = Arc::clone(&self.store);
        blocking(move || f(&store)).await
    }
}

fn done(result: bool, started: Instant) -> Response<proto::CollectionOperationResponse> {
    Response::new(proto::CollectionOperationResponse {
        result,
        time: started.elapsed().as_secs_f64(),
    })
}

fn info(store: &Store, name: &str) -> Result<proto::CollectionInfo, Status> {
    store.collection(name)?.read(|shard| {
        let info = shard.info();
        Ok(proto::CollectionInfo {
            status: CollectionStatus::Green.into(),
            optimizer_status: Some(proto::OptimizerStatus {
                ok: true,
                error: String::new(),
            }),
            segments_count: info.segments_count as u64,
            config: Some(config::to_proto(&shard.config())),
            payload_schema: index::schema_to_proto(info.payload_schema),
            points_count: Some(info.points_count as u64),
            indexed_vectors_count: Some(info.indexed_vectors_count as u64),
            ..proto::CollectionInfo::default()
        })
    })
}

fn aliases(
    aliases: Vec<(String, String)>,
    started: Instant,
) -> Response<proto::ListAliasesResponse> {
    Response::new(proto::ListAliasesResponse {
        aliases: aliases
            .into_iter()
            .map(|(alias_name, collection_name)| proto::AliasDescription {
                alias_name,
                collection_name,
            })
            .collect(),
        time: started.elapsed().as_secs_f64(),
    })
}

#[tonic::async_trait]
impl Service for Collections {
    async fn get(
        &self,
        request: Request<proto::GetCollectionInfoRequest>,
    ) -> Result<Response<proto::GetCollectionInfoResponse>, Status> {
        let started = Instant::now();
        let name = request.into_inner().collection_name;
        let info = self.run(move |store| info(store, &name)).await?;
        Ok(Response::new(proto::GetCollectionInfoResponse {
            result: Some(info),
            time: started.elapsed().as_secs_f64(),
        }))
    }

    async fn list(
        &self,
        _: Request<proto::ListCollectionsRequest>,
    ) -> Result<Response<proto::ListCollectionsResponse>, Status> {
        let started = Instant::now();
        let names = self.run(|store| Ok(store.names())).await?;
        Ok(Response::new(proto::ListCollectionsResponse {
            collections: names
                .into_iter()
                .map(|name| proto::CollectionDescription { name })
                .collect(),
            time: started.elapsed().as_secs_f64(),
        }))
    }

    async fn create(
        &self,
        request: Request<proto::CreateCollection>,
    ) -> Result<Response<proto::CollectionOperationResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let config = config::from_proto(&request)?;
        self.run(move |store| store.create(&request.collection_name, config))
            .await?;
        Ok(done(true, started))
    }

    async fn update(
        &self,
        _: Request<proto::UpdateCollection>,
    ) -> Result<Response<proto::CollectionOperationResponse>, Status> {
        Err(unimplemented("Collections/Update"))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteCollection>,
    ) -> Result<Response<proto::CollectionOperationResponse>, Status> {
        let started = Instant::now();
        let name = request.into_inner().collection_name;
        let existed = self.run(move |store| store.delete(&name)).await?;
        Ok(done(existed, started))
    }

    async fn update_aliases(
        &self,
        request: Request<proto::ChangeAliases>,
    ) -> Result<Response<proto::CollectionOperationResponse>, Status> {
        let started = Instant::now();
        let changes = request.into_inner().actions;
        self.run(move |store| store.change_aliases(changes)).await?;
        Ok(done(true, started))
    }

    async fn list_collection_aliases(
        &self,
        request: Request<proto::ListCollectionAliasesRequest>,
    ) -> Result<Response<proto::ListAliasesResponse>, Status> {
        let started = Instant::now();
        let name = request.into_inner().collection_name;
        let mut all = self.run(|store| Ok(store.aliases())).await?;
        all.retain(|(_, collection)| *collection == name);
        Ok(aliases(all, started))
    }

    async fn list_aliases(
        &self,
        _: Request<proto::ListAliasesRequest>,
    ) -> Result<Response<proto::ListAliasesResponse>, Status> {
        let started = Instant::now();
        let all = self.run(|store| Ok(store.aliases())).await?;
        Ok(aliases(all, started))
    }

    async fn collection_exists(
        &self,
        request: Request<proto::CollectionExistsRequest>,
    ) -> Result<Response<proto::CollectionExistsResponse>, Status> {
        let started = Instant::now();
        let name = request.into_inner().collection_name;
        let exists = self
            .run(move |store| Ok(store.collection(&name).is_ok()))
            .await?;
        Ok(Response::new(proto::CollectionExistsResponse {
            result: Some(proto::CollectionExists { exists }),
            time: started.elapsed().as_secs_f64(),
        }))
    }

    async fn collection_cluster_info(
        &self,
        _: Request<proto::CollectionClusterInfoRequest>,
    ) -> Result<Response<proto::CollectionClusterInfoResponse>, Status> {
        Err(unimplemented("Collections/CollectionClusterInfo"))
    }

    async fn update_collection_cluster_setup(
        &self,
        _: Request<proto::UpdateCollectionClusterSetupRequest>,
    ) -> Result<Response<proto::UpdateCollectionClusterSetupResponse>, Status> {
        Err(unimplemented("Collections/UpdateCollectionClusterSetup"))
    }

    async fn create_shard_key(
        &self,
        _: Request<proto::CreateShardKeyRequest>,
    ) -> Result<Response<proto::CreateShardKeyResponse>, Status> {
        Err(unimplemented("Collections/CreateShardKey"))
    }

    async fn delete_shard_key(
        &self,
        _: Request<proto::DeleteShardKeyRequest>,
    ) -> Result<Response<proto::DeleteShardKeyResponse>, Status> {
        Err(unimplemented("Collections/DeleteShardKey"))
    }

    async fn list_shard_keys(
        &self,
        _: Request<proto::ListShardKeysRequest>,
    ) -> Result<Response<proto::ListShardKeysResponse>, Status> {
        Err(unimplemented("Collections/ListShardKeys"))
    }
}
