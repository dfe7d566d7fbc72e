//! Vectors that are read only to be written again.

use qdrant_client::qdrant::{
    NamedVectors, Vector, VectorOutput, Vectors, VectorsOutput, vector, vector_output, vectors,
    vectors_output::VectorsOptions,
};

/// All vectors of a point as they were read, ready to be written.
pub(super) fn vectors(read: VectorsOutput) -> Vectors {
    let named = match read.vectors_options {
        Some(VectorsOptions::Vectors(named)) => named.vectors,
        // A vector without a name; collections of Vectide's have none.
        Some(VectorsOptions::Vector(one)) => [(String::new(), one)].into(),
        None => std::collections::HashMap::default(),
    };
    let vectors = named
        .into_iter()
        .map(|(name, read)| (name, vector(read)))
        .collect();
    Vectors {
        vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors { vectors })),
    }
}

#[expect(
    deprecated,
    reason = "servers before 1.16 answer in the deprecated fields"
)]
fn vector(read: VectorOutput) -> Vector {
    let VectorOutput {
        data,
        indices,
        vectors_count,
        vector,
    } = read;
    Vector {
        data,
        indices,
        vectors_count,
        vector: vector.map(|vector| match vector {
            vector_output::Vector::Dense(dense) => vector::Vector::Dense(dense),
            vector_output::Vector::Sparse(sparse) => vector::Vector::Sparse(sparse),
            vector_output::Vector::MultiDense(dense) => vector::Vector::MultiDense(dense),
        }),
    }
}
