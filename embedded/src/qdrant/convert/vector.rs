//! Vectors: one unnamed, or several named ones; dense only.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    self as proto, vector::Vector, vector_output, vectors::VectorsOptions,
    vectors_output::VectorsOptions as OutputOptions,
};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, OperationError, VectorInternal, VectorPersisted, VectorStructInternal,
    VectorStructPersisted,
};
use tonic::Status;

use crate::qdrant::error::{engine, unimplemented};

/// The vectors a collection is made of: dimensions by name. The unnamed vector's name is empty.
#[derive(Clone, Debug)]
pub(in crate::qdrant) struct VectorSizes(BTreeMap<String, usize>);

impl VectorSizes {
    /// Sizes from a collection's configuration.
    pub(in crate::qdrant) fn new(sizes: impl IntoIterator<Item = (String, usize)>) -> Self {
        Self(sizes.into_iter().collect())
    }

    /// Refuses a vector that the collection has no place for.
    pub(in crate::qdrant) fn check(&self, name: &str, vector: &[f32]) -> Result<(), Status> {
        let expected_dim = self.size(name)?;
        if vector.len() == expected_dim {
            return Ok(());
        }
        Err(engine(OperationError::WrongVectorDimension {
            expected_dim,
            received_dim: vector.len(),
        }))
    }

    /// Dimensions of the vector `name`, or an error if the collection has no such vector.
    pub(in crate::qdrant) fn size(&self, name: &str) -> Result<usize, Status> {
        self.0.get(name).copied().ok_or_else(|| {
            engine(OperationError::VectorNameNotExists {
                received_name: name.to_owned(),
            })
        })
    }
}

/// The engine's form of a point's vectors. A point without vectors has an empty map of named ones;
/// leaving the field out is refused, as on the server.
pub(in crate::qdrant) fn from_proto(
    vectors: Option<proto::Vectors>,
    sizes: &VectorSizes,
) -> Result<VectorStructPersisted, Status> {
    let options = vectors
        .and_then(|vectors| vectors.vectors_options)
        .ok_or_else(|| Status::invalid_argument("Expected some vectors"))?;
    match options {
        VectorsOptions::Vector(vector) => {
            let vector = dense(vector)?;
            sizes.check(DEFAULT_VECTOR_NAME, &vector)?;
            Ok(VectorStructPersisted::Single(vector))
        }
        VectorsOptions::Vectors(vectors) => {
            let named: Result<HashMap<_, _>, Status> = vectors
                .vectors
                .into_iter()
                .map(|(name, vector)| {
                    let vector = dense(vector)?;
                    sizes.check(&name, &vector)?;
                    Ok((name, VectorPersisted::Dense(vector)))
                })
                .collect();
            Ok(VectorStructPersisted::Named(named?))
        }
    }
}

/// The numbers of a dense vector, from the field of today or, by older clients, from `data`.
#[expect(deprecated, reason = "clients before 1.16 write `data`")]
fn dense(vector: proto::Vector) -> Result<Vec<f32>, Status> {
    match vector.vector {
        Some(Vector::Dense(vector)) => Ok(vector.data),
        Some(Vector::Sparse(_)) => Err(unimplemented("sparse vectors")),
        Some(Vector::MultiDense(_)) => Err(unimplemented("multivectors")),
        Some(Vector::Document(_) | Vector::Image(_) | Vector::Object(_)) => {
            Err(unimplemented("inference (documents, images, objects)"))
        }
        None if vector.indices.is_some() => Err(unimplemented("sparse vectors")),
        None if vector.vectors_count.is_some() => Err(unimplemented("multivectors")),
        None => Ok(vector.data),
    }
}

pub(in crate::qdrant) fn to_proto(
    vectors: VectorStructInternal,
) -> Result<proto::VectorsOutput, Status> {
    let options = match vectors {
        VectorStructInternal::Single(vector) => OutputOptions::Vector(output(vector)),
        VectorStructInternal::Named(vectors) => {
            let vectors: Result<HashMap<_, _>, Status> = vectors
                .into_iter()
                .map(|(name, vector)| match vector {
                    VectorInternal::Dense(vector) => Ok((name, output(vector))),
                    VectorInternal::Sparse(_) => Err(unimplemented("sparse vectors")),
                    VectorInternal::MultiDense(_) => Err(unimplemented("multivectors")),
                })
                .collect();
            OutputOptions::Vectors(proto::NamedVectorsOutput { vectors: vectors? })
        }
        VectorStructInternal::MultiDense(_) => return Err(unimplemented("multivectors")),
    };
    Ok(proto::VectorsOutput {
        vectors_options: Some(options),
    })
}

fn output(data: Vec<f32>) -> proto::VectorOutput {
    proto::VectorOutput {
        vector: Some(vector_output::Vector::Dense(proto::DenseVector { data })),
        ..proto::VectorOutput::default()
    }
}
