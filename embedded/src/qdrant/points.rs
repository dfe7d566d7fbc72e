//! The points service: every write is one operation or several, every read a function of the
//! collection.

use std::{sync::Arc, time::Instant};

use qdrant_client::qdrant::{self as proto, points_server::Points as Service};
use qdrant_edge::{CreateIndex, FieldIndexOperations, UpdateOperation};
use tonic::{Request, Response, Status};

use super::{
    blocking,
    collection::Collection,
    convert::{index, payload},
    error::unimplemented,
    fault::FaultSwitch,
    query, retrieve,
    store::Store,
    unawaited::{Queue, Unawaited},
    write::Write,
};

#[derive(Debug)]
pub(super) struct Points {
    store: Arc<Store>,
    faults: FaultSwitch,
    unawaited: Queue,
}

impl Points {
    pub(super) fn new(store: Arc<Store>, faults: FaultSwitch) -> Self {
        let unawaited = Queue::start(Arc::clone(&store), faults.clone());
        Self {
            store,
            faults,
            unawaited,
        }
    }

    /// Works on the collection `name` where blocking is allowed, with the faults switched on.
    async fn run<T: Send + 'static>(
        &self,
        name: String,
        f: impl FnOnce(&Collection) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        self.faults.before().await?;
        self.carry_out(name, f).await
    }

    async fn carry_out<T: Send + 'static>(
        &self,
        name: String,
        f: impl FnOnce(&Collection) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let store = Arc::clone(&self.store);
        let answer = blocking(move || f(&*store.collection(&name)?)).await?;
        self.faults.after()?;
        Ok(answer)
    }

    /// One write.
    async fn write(
        &self,
        write: Write,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        let started = Instant::now();
        let results = self
            .write_all(write.collection, write.wait, vec![write.operation])
            .await?;
        Ok(Response::new(proto::PointsOperationResponse {
            result: results.into_iter().next(),
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    /// Carries operations out in their order, or, where nobody waits for them, sees to it that they will be.
    async fn write_all(
        &self,
        collection: String,
        wait: Option<bool>,
        operations: Vec<proto::PointsUpdateOperation>,
    ) -> Result<Vec<proto::UpdateResult>, Status> {
        if wait != Some(true) {
            let results = vec![result(None, wait); operations.len()];
            self.store.collection(&collection)?;
            self.unawaited.push(Unawaited {
                collection,
                operations,
            });
            return Ok(results);
        }
        self.unawaited.empty().await;
        self.faults.before_write().await?;
        let numbers = self
            .carry_out(collection, move |collection| {
                operations
                    .into_iter()
                    .map(|operation| collection.write(operation))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let results = numbers.into_iter();
        Ok(results.map(|number| result(Some(number), wait)).collect())
    }

    async fn write_index(
        &self,
        name: String,
        wait: Option<bool>,
        operation: FieldIndexOperations,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        let started = Instant::now();
        let operation = UpdateOperation::FieldIndexOperation(operation);
        let number = self
            .run(name, move |collection| collection.write_index(operation))
            .await?;
        Ok(written(number, wait, started))
    }
}

fn result(number: Option<u64>, wait: Option<bool>) -> proto::UpdateResult {
    let status = match wait {
        Some(true) => proto::UpdateStatus::Completed,
        Some(false) | None => proto::UpdateStatus::Acknowledged,
    };
    proto::UpdateResult {
        operation_id: number,
        status: status.into(),
    }
}

fn written(
    number: u64,
    wait: Option<bool>,
    started: Instant,
) -> Response<proto::PointsOperationResponse> {
    Response::new(proto::PointsOperationResponse {
        result: Some(result(Some(number), wait)),
        time: started.elapsed().as_secs_f64(),
        usage: None,
    })
}

#[tonic::async_trait]
impl Service for Points {
    async fn upsert(
        &self,
        request: Request<proto::UpsertPoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn delete(
        &self,
        request: Request<proto::DeletePoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn update_vectors(
        &self,
        request: Request<proto::UpdatePointVectors>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn delete_vectors(
        &self,
        request: Request<proto::DeletePointVectors>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn set_payload(
        &self,
        request: Request<proto::SetPayloadPoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(Write::set_payload(request.into_inner())).await
    }

    async fn overwrite_payload(
        &self,
        request: Request<proto::SetPayloadPoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(Write::overwrite_payload(request.into_inner()))
            .await
    }

    async fn delete_payload(
        &self,
        request: Request<proto::DeletePayloadPoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    async fn clear_payload(
        &self,
        request: Request<proto::ClearPayloadPoints>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        self.write(request.into_inner().into()).await
    }

    /// As on the server, an operation that fails ends the batch; those before it stay applied.
    async fn update_batch(
        &self,
        request: Request<proto::UpdateBatchPoints>,
    ) -> Result<Response<proto::UpdateBatchResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let result = self
            .write_all(request.collection_name, request.wait, request.operations)
            .await?;
        Ok(Response::new(proto::UpdateBatchResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn create_field_index(
        &self,
        request: Request<proto::CreateFieldIndexCollection>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let operation = FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: payload::path(&request.field_name)?,
            field_schema: Some(index::from_proto(
                request.field_type,
                request.field_index_params,
            )?),
        });
        self.write_index(request.collection_name, request.wait, operation)
            .await
    }

    async fn delete_field_index(
        &self,
        request: Request<proto::DeleteFieldIndexCollection>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let operation = FieldIndexOperations::DeleteIndex(payload::path(&request.field_name)?);
        self.write_index(request.collection_name, request.wait, operation)
            .await
    }

    async fn get(
        &self,
        request: Request<proto::GetPoints>,
    ) -> Result<Response<proto::GetResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let result = self
            .run(request.collection_name.clone(), move |collection| {
                retrieve::get(collection, request)
            })
            .await?;
        Ok(Response::new(proto::GetResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn scroll(
        &self,
        request: Request<proto::ScrollPoints>,
    ) -> Result<Response<proto::ScrollResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let (result, next_page_offset) = self
            .run(request.collection_name.clone(), move |collection| {
                retrieve::scroll(collection, request)
            })
            .await?;
        Ok(Response::new(proto::ScrollResponse {
            next_page_offset,
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn count(
        &self,
        request: Request<proto::CountPoints>,
    ) -> Result<Response<proto::CountResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let count = self
            .run(request.collection_name.clone(), move |collection| {
                retrieve::count(collection, request)
            })
            .await?;
        Ok(Response::new(proto::CountResponse {
            result: Some(proto::CountResult { count }),
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn query(
        &self,
        request: Request<proto::QueryPoints>,
    ) -> Result<Response<proto::QueryResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let result = self
            .run(request.collection_name.clone(), move |collection| {
                query::query(collection, request)
            })
            .await?;
        Ok(Response::new(proto::QueryResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn query_batch(
        &self,
        request: Request<proto::QueryBatchPoints>,
    ) -> Result<Response<proto::QueryBatchResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let queries = request.query_points;
        let result = self
            .run(request.collection_name, move |collection| {
                queries
                    .into_iter()
                    .map(|each| query::query(collection, each))
                    .map(|points| points.map(|result| proto::BatchResult { result }))
                    .collect::<Result<_, _>>()
            })
            .await?;
        Ok(Response::new(proto::QueryBatchResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn search(
        &self,
        request: Request<proto::SearchPoints>,
    ) -> Result<Response<proto::SearchResponse>, Status> {
        let started = Instant::now();
        let request = query::from_search(request.into_inner())?;
        let result = self
            .run(request.collection_name.clone(), move |collection| {
                query::query(collection, request)
            })
            .await?;
        Ok(Response::new(proto::SearchResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn search_batch(
        &self,
        request: Request<proto::SearchBatchPoints>,
    ) -> Result<Response<proto::SearchBatchResponse>, Status> {
        let started = Instant::now();
        let request = request.into_inner();
        let searches = request.search_points;
        let result = self
            .run(request.collection_name, move |collection| {
                searches
                    .into_iter()
                    .map(|each| query::query(collection, query::from_search(each)?))
                    .map(|points| points.map(|result| proto::BatchResult { result }))
                    .collect::<Result<_, _>>()
            })
            .await?;
        Ok(Response::new(proto::SearchBatchResponse {
            result,
            time: started.elapsed().as_secs_f64(),
            usage: None,
        }))
    }

    async fn create_vector_name(
        &self,
        _: Request<proto::CreateVectorNameRequest>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        Err(unimplemented("Points/CreateVectorName"))
    }

    async fn delete_vector_name(
        &self,
        _: Request<proto::DeleteVectorNameRequest>,
    ) -> Result<Response<proto::PointsOperationResponse>, Status> {
        Err(unimplemented("Points/DeleteVectorName"))
    }

    async fn search_groups(
        &self,
        _: Request<proto::SearchPointGroups>,
    ) -> Result<Response<proto::SearchGroupsResponse>, Status> {
        Err(unimplemented("Points/SearchGroups"))
    }

    async fn recommend(
        &self,
        _: Request<proto::RecommendPoints>,
    ) -> Result<Response<proto::RecommendResponse>, Status> {
        Err(unimplemented("Points/Recommend"))
    }

    async fn recommend_batch(
        &self,
        _: Request<proto::RecommendBatchPoints>,
    ) -> Result<Response<proto::RecommendBatchResponse>, Status> {
        Err(unimplemented("Points/RecommendBatch"))
    }

    async fn recommend_groups(
        &self,
        _: Request<proto::RecommendPointGroups>,
    ) -> Result<Response<proto::RecommendGroupsResponse>, Status> {
        Err(unimplemented("Points/RecommendGroups"))
    }

    async fn discover(
        &self,
        _: Request<proto::DiscoverPoints>,
    ) -> Result<Response<proto::DiscoverResponse>, Status> {
        Err(unimplemented("Points/Discover"))
    }

    async fn discover_batch(
        &self,
        _: Request<proto::DiscoverBatchPoints>,
    ) -> Result<Response<proto::DiscoverBatchResponse>, Status> {
        Err(unimplemented("Points/DiscoverBatch"))
    }

    async fn query_groups(
        &self,
        _: Request<proto::QueryPointGroups>,
    ) -> Result<Response<proto::QueryGroupsResponse>, Status> {
        Err(unimplemented("Points/QueryGroups"))
    }

    async fn facet(
        &self,
        _: Request<proto::FacetCounts>,
    ) -> Result<Response<proto::FacetResponse>, Status> {
        Err(unimplemented("Points/Facet"))
    }

    async fn search_matrix_pairs(
        &self,
        _: Request<proto::SearchMatrixPoints>,
    ) -> Result<Response<proto::SearchMatrixPairsResponse>, Status> {
        Err(unimplemented("Points/SearchMatrixPairs"))
    }

    async fn search_matrix_offsets(
        &self,
        _: Request<proto::SearchMatrixPoints>,
    ) -> Result<Response<proto::SearchMatrixOffsetsResponse>, Status> {
        Err(unimplemented("Points/SearchMatrixOffsets"))
    }
}
