//! The calls whose messages are mostly vectors, made without the generated messages: `UpdateBatch`
//! with points that are [written](super::wire) already, and `Get` with vectors that are only to be
//! written again.

use std::{collections::HashMap, marker::PhantomData};

use prost::{
    Message,
    bytes::{Buf as _, BufMut, Bytes, BytesMut},
};
use qdrant_client::qdrant::{GetPoints, PointId, UpdateBatchResponse, Value};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};

use crate::record::Write;

use super::{
    Client, Fence,
    operations::{self, Operation, Planned},
    wire,
};

/// An `UpdateBatchPoints` message that waits until it is applied.
pub(super) struct UpdateBatch {
    pub(super) collection: String,
    pub(super) operations: Vec<Operation>,
}

/// A point with its vectors, as they came.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PointWithVectors {
    #[prost(message, optional, tag = "1")]
    pub(super) id: Option<PointId>,
    #[prost(map = "string, message", tag = "2")]
    pub(super) payload: HashMap<String, Value>,
    /// A `VectorsOutput` message.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) vectors: Option<Bytes>,
}

/// A `GetResponse` of such points.
#[derive(Clone, PartialEq, Message)]
struct PointsWithVectors {
    #[prost(message, repeated, tag = "1")]
    result: Vec<PointWithVectors>,
}

impl Client {
    /// Makes an `UpdateBatch` call.
    pub(super) async fn update(&self, batch: UpdateBatch) -> Result<(), Status> {
        let path = PathAndQuery::from_static("/qdrant.Points/UpdateBatch");
        let codec = Wire::<UpdateBatch, UpdateBatchResponse>::new();
        self.call(batch, path, codec).await.map(drop)
    }

    /// Makes a `Get` call, and leaves the vectors as they are.
    pub(super) async fn get_with_vectors(
        &self,
        request: GetPoints,
    ) -> Result<Vec<PointWithVectors>, Status> {
        let path = PathAndQuery::from_static("/qdrant.Points/Get");
        let codec = Wire::<GetPoints, PointsWithVectors>::new();
        self.call(request, path, codec)
            .await
            .map(|points| points.result)
    }
}

/// The message of the call that makes these writes to the points of `fence`, as it is sent. For those who
/// measure what it costs; [`Index::write`](super::Index::write) is for those who want it done.
pub fn update_message<'a>(
    collection: &str,
    vector_name: &str,
    fence: &Fence,
    writes: impl IntoIterator<Item = &'a Write>,
) -> Bytes {
    let epoch = fence.epoch();
    let planned = writes.into_iter().map(|write| Planned {
        write,
        fence,
        epoch,
        kept: None,
    });
    let batch = UpdateBatch {
        collection: collection.to_owned(),
        operations: operations::of_writes(planned, vector_name),
    };
    let mut buffer = BytesMut::with_capacity(batch.room());
    batch.write(&mut buffer);
    buffer.freeze()
}

/// Something that is sent as a message.
pub(super) trait Outgoing: Send + 'static {
    /// So many bytes the message takes, at most.
    fn room(&self) -> usize;

    /// Appends the message.
    fn write(self, buffer: &mut impl BufMut);
}

impl Outgoing for GetPoints {
    fn room(&self) -> usize {
        self.encoded_len()
    }

    fn write(self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.encode_to_vec());
    }
}

impl Outgoing for UpdateBatch {
    fn room(&self) -> usize {
        const HEADS: usize = 16;
        let operations = self.operations.iter().map(Operation::room);
        HEADS + self.collection.len() + operations.sum::<usize>()
    }

    fn write(self, buffer: &mut impl BufMut) {
        const COLLECTION: u32 = 1;
        const WAIT: u32 = 2;
        const OPERATIONS: u32 = 3;
        let mut head = Vec::new();
        wire::bytes(&mut head, COLLECTION, self.collection.as_bytes());
        wire::varint(&mut head, WAIT, 1);
        buffer.put_slice(&head);
        for operation in self.operations {
            head.clear();
            operation.write_head(OPERATIONS, &mut head);
            buffer.put_slice(&head);
            buffer.put_slice(operation.message());
        }
    }
}

/// Sends `T`, and receives the message `U`.
pub(super) struct Wire<T, U>(PhantomData<(T, U)>);

impl<T, U> Wire<T, U> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Outgoing, U: Message + Default + 'static> Codec for Wire<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::new()
    }

    fn decoder(&mut self) -> Self {
        Self::new()
    }
}

impl<T: Outgoing, U> Encoder for Wire<T, U> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.room());
        item.write(buffer);
        Ok(())
    }
}

impl<T, U: Message + Default> Decoder for Wire<T, U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = U::decode(buffer.copy_to_bytes(buffer.remaining()));
        message
            .map(Some)
            .map_err(|error| Status::internal(format!("an answer that can't be read: {error}")))
    }
}
