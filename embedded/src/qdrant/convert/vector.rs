//! Vectors: one unnamed, or several named ones; each dense, or a multivector.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    self as proto, vector::Vector, vector_output, vectors::VectorsOptions,
    vectors_output::VectorsOptions as OutputOptions,
};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, EdgeVectorParams, OperationError, VectorInternal, VectorPersisted,
    VectorStructInternal, VectorStructPersisted,
};
use tonic::Status;

use crate::qdrant::error::{engine, invalid_field, unimplemented};

/// A multivector of the server has fewer numbers than that (`MAX_MULTIVECTOR_FLATTENED_LEN`).
const MAX_MULTIVECTOR: usize = 1024 * 1024;

/// The vectors a collection is made of, by name. The unnamed vector's name is empty.
#[derive(Clone, Debug)]
pub(in crate::qdrant) struct VectorSizes(BTreeMap<String, Size>);

#[derive(Clone, Copy, Debug)]
struct Size {
    dimensions: usize,
    is_multi: bool,
}

impl VectorSizes {
    /// Sizes from a collection's configuration.
    pub(in crate::qdrant) fn new(vectors: &HashMap<String, EdgeVectorParams>) -> Self {
        let sizes = vectors.iter().map(|(name, params)| {
            let size = Size {
                dimensions: params.size,
                is_multi: params.multivector_config.is_some(),
            };
            (name.clone(), size)
        });
        Self(sizes.collect())
    }

    /// Refuses a vector that the collection has no place for. In the place of a multivector, it is one of
    /// one vector.
    pub(in crate::qdrant) fn check(&self, name: &str, vector: &[f32]) -> Result<(), Status> {
        self.size(name)?.check(vector)
    }

    /// The same for a multivector.
    pub(in crate::qdrant) fn check_multi(
        &self,
        name: &str,
        vectors: &[Vec<f32>],
    ) -> Result<(), Status> {
        let size = self.size(name)?;
        if !size.is_multi {
            return Err(engine(OperationError::WrongMulti));
        }
        if vectors.is_empty() {
            return Err(invalid_multi("multi vector must not be empty"));
        }
        let total: usize = vectors.iter().map(Vec::len).sum();
        if total >= MAX_MULTIVECTOR {
            return Err(invalid_multi(&format!(
                "Total size of all vectors ({total}) must be less than {MAX_MULTIVECTOR}"
            )));
        }
        vectors.iter().try_for_each(|vector| size.check(vector))
    }

    /// Refuses a name that no vector of the collection has.
    pub(in crate::qdrant) fn check_name(&self, name: &str) -> Result<(), Status> {
        self.size(name).map(drop)
    }

    fn size(&self, name: &str) -> Result<Size, Status> {
        self.0.get(name).copied().ok_or_else(|| {
            engine(OperationError::VectorNameNotExists {
                received_name: name.to_owned(),
            })
        })
    }
}

impl Size {
    fn check(self, vector: &[f32]) -> Result<(), Status> {
        if vector.len() == self.dimensions {
            return Ok(());
        }
        Err(engine(OperationError::WrongVectorDimension {
            expected_dim: self.dimensions,
            received_dim: vector.len(),
        }))
    }
}

fn invalid_multi(rule: &str) -> Status {
    invalid_field("vector.data", rule)
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
        VectorsOptions::Vector(vector) => Ok(match form(vector)? {
            Form::Dense(vector) => {
                sizes.check(DEFAULT_VECTOR_NAME, &vector)?;
                VectorStructPersisted::Single(vector)
            }
            Form::Multi(vectors) => {
                sizes.check_multi(DEFAULT_VECTOR_NAME, &vectors)?;
                VectorStructPersisted::MultiDense(vectors)
            }
        }),
        VectorsOptions::Vectors(vectors) => {
            let named: Result<HashMap<_, _>, Status> = vectors
                .vectors
                .into_iter()
                .map(|(name, vector)| {
                    let vector = match form(vector)? {
                        Form::Dense(vector) => {
                            sizes.check(&name, &vector)?;
                            VectorPersisted::Dense(vector)
                        }
                        Form::Multi(vectors) => {
                            sizes.check_multi(&name, &vectors)?;
                            VectorPersisted::MultiDense(vectors)
                        }
                    };
                    Ok((name, vector))
                })
                .collect();
            Ok(VectorStructPersisted::Named(named?))
        }
    }
}

/// What a client can send for a vector.
enum Form {
    Dense(Vec<f32>),
    Multi(Vec<Vec<f32>>),
}

/// The numbers of a vector, from the field of today or, by older clients, from `data`.
#[expect(deprecated, reason = "clients before 1.16 write `data`")]
fn form(vector: proto::Vector) -> Result<Form, Status> {
    match vector.vector {
        Some(Vector::Dense(vector)) => Ok(Form::Dense(vector.data)),
        Some(Vector::MultiDense(multi)) => Ok(Form::Multi(rows(multi))),
        Some(Vector::Sparse(_)) => Err(unimplemented("sparse vectors")),
        Some(Vector::Document(_) | Vector::Image(_) | Vector::Object(_)) => {
            Err(unimplemented("inference (documents, images, objects)"))
        }
        None if vector.indices.is_some() => Err(unimplemented("sparse vectors")),
        None if vector.vectors_count.is_some() => {
            Err(unimplemented("multivectors of clients before 1.16"))
        }
        None => Ok(Form::Dense(vector.data)),
    }
}

/// The vectors of a multivector.
pub(in crate::qdrant) fn rows(multi: proto::MultiDenseVector) -> Vec<Vec<f32>> {
    let vectors = multi.vectors.into_iter();
    vectors.map(|vector| vector.data).collect()
}

pub(in crate::qdrant) fn to_proto(
    vectors: VectorStructInternal,
) -> Result<proto::VectorsOutput, Status> {
    let options = match vectors {
        VectorStructInternal::Single(vector) => OutputOptions::Vector(output(vector)),
        VectorStructInternal::MultiDense(vectors) => {
            OutputOptions::Vector(multi_output(vectors.into_multi_vectors()))
        }
        VectorStructInternal::Named(vectors) => {
            let vectors: Result<HashMap<_, _>, Status> = vectors
                .into_iter()
                .map(|(name, vector)| match vector {
                    VectorInternal::Dense(vector) => Ok((name, output(vector))),
                    VectorInternal::MultiDense(vectors) => {
                        Ok((name, multi_output(vectors.into_multi_vectors())))
                    }
                    VectorInternal::Sparse(_) => Err(unimplemented("sparse vectors")),
                })
                .collect();
            OutputOptions::Vectors(proto::NamedVectorsOutput { vectors: vectors? })
        }
    };
    Ok(proto::VectorsOutput {
        vectors_options: Some(options),
    })
}

fn multi_output(vectors: Vec<Vec<f32>>) -> proto::VectorOutput {
    let vectors = vectors.into_iter().map(|data| proto::DenseVector { data });
    let multi = proto::MultiDenseVector {
        vectors: vectors.collect(),
    };
    proto::VectorOutput {
        vector: Some(vector_output::Vector::MultiDense(multi)),
        ..proto::VectorOutput::default()
    }
}

fn output(data: Vec<f32>) -> proto::VectorOutput {
    proto::VectorOutput {
        vector: Some(vector_output::Vector::Dense(proto::DenseVector { data })),
        ..proto::VectorOutput::default()
    }
}
