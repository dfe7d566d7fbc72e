#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

//! What is written is what the generated messages would write.

use std::collections::HashMap;

use proptest::prelude::*;
use prost::Message as _;
use qdrant_client::qdrant::{
    self, PointStruct, VectorsOutput, points_update_operation::PointStructList,
    vectors::VectorsOptions, vectors_output,
};

use super::*;
use crate::index::value;

const LIST: u32 = 1;

fn read(buffer: &[u8]) -> PointStruct {
    let list = PointStructList::decode(buffer).unwrap();
    let [point] = <[_; 1]>::try_from(list.points).unwrap();
    point
}

fn written(id: PointId, payload: &[(String, Value)], vectors: Vectors<'_>) -> PointStruct {
    let mut buffer = Vec::new();
    let fields = |fields: &mut Fields<'_>| {
        for (name, column) in payload {
            fields.column(name, column);
        }
    };
    point(&mut buffer, LIST, id, fields, vectors);
    read(&buffer)
}

fn columns() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e300..1e300).prop_map(|number: f64| number.into()),
        any::<u64>().prop_map(Into::into),
        ".{0,200}".prop_map(Into::into),
    ];
    let json = scalar.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..4).prop_map(|members| members
                .into_iter()
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    });
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300).prop_map(Value::Float),
        "-?[0-9]{1,20}\\.[0-9]{1,3}".prop_map(|digits| Value::Decimal(digits.into())),
        ".{0,300}".prop_map(|text| Value::String(text.into())),
        json.prop_map(Value::from_json),
    ]
}

proptest! {
    #[test]
    fn any_payload_is_read_as_the_generated_messages_have_it(
        payload in prop::collection::hash_map(".{0,40}", columns(), 0..12),
    ) {
        let expected: HashMap<String, qdrant::Value> = payload
            .iter()
            .map(|(name, column)| (name.clone(), value::value(column)))
            .collect();
        let payload: Vec<_> = payload.into_iter().collect();
        let point = written(PointId::Integer(7), &payload, Vectors::None);
        prop_assert_eq!(point.payload, expected);
    }

    #[test]
    fn any_vector_is_read_with_its_name(floats in prop::collection::vec(-10.0_f32..10.0, 1..2000)) {
        let vector = PointVector::Dense(floats.iter().copied().collect());
        let point = written(PointId::Integer(7), &[], Vectors::One("text", &vector));
        let expected = qdrant::NamedVectors::default().add_vector("text", floats);
        prop_assert_eq!(
            point.vectors.unwrap().vectors_options,
            Some(VectorsOptions::Vectors(expected))
        );
    }
}

#[test]
fn a_multivector_is_read_vector_by_vector() {
    let floats = [[1.0_f32, 2.0], [3.0, -4.0], [0.5, 0.0]];
    for count in 1..=floats.len() {
        let vectors = floats.iter().take(count).copied();
        let multi = PointVector::Multi(vectors.clone().map(Vector::from_iter).collect());
        let point = written(PointId::Integer(7), &[], Vectors::One("text", &multi));
        let vectors: Vec<Vec<f32>> = vectors.map(Vec::from).collect();
        let expected = qdrant::Vector::new_multi(vectors);
        let expected = qdrant::NamedVectors::default().add_vector("text", expected);
        assert_eq!(
            point.vectors.unwrap().vectors_options,
            Some(VectorsOptions::Vectors(expected))
        );
    }
}

#[test]
fn ids_are_numbers_or_uuids() {
    for id in [
        PointId::Integer(0),
        PointId::Integer(u64::MAX),
        PointId::Uuid(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef)),
    ] {
        let point = written(id, &[], Vectors::None);
        assert_eq!(point.id, Some(value::point_id(id)));
    }
}

#[test]
fn a_point_without_vectors_says_so() {
    let point = written(PointId::Integer(1), &[], Vectors::None);
    assert_eq!(
        point.vectors.unwrap().vectors_options,
        Some(VectorsOptions::Vectors(qdrant::NamedVectors::default()))
    );
}

#[test]
fn vectors_are_written_as_they_were_read() {
    let dense = |data: &[f32]| qdrant::VectorOutput {
        vector: Some(qdrant::vector_output::Vector::Dense(qdrant::DenseVector {
            data: data.to_vec(),
        })),
        ..Default::default()
    };
    let vectors = [[1.0, 2.0], [3.0, 4.0]].map(|data| qdrant::DenseVector { data: data.into() });
    let multi = qdrant::VectorOutput {
        vector: Some(qdrant::vector_output::Vector::MultiDense(
            qdrant::MultiDenseVector {
                vectors: vectors.into(),
            },
        )),
        ..Default::default()
    };
    let sparse = qdrant::VectorOutput {
        vector: Some(qdrant::vector_output::Vector::Sparse(
            qdrant::SparseVector {
                values: vec![0.5],
                indices: vec![7],
            },
        )),
        ..Default::default()
    };
    let read = VectorsOutput {
        vectors_options: Some(vectors_output::VectorsOptions::Vectors(
            qdrant::NamedVectorsOutput {
                vectors: HashMap::from([
                    ("text".to_owned(), dense(&[1.0, 2.0])),
                    ("chunks".to_owned(), multi),
                    ("words".to_owned(), sparse),
                ]),
            },
        )),
    };
    let bytes = read.encode_to_vec();
    let point = written(PointId::Integer(1), &[], Vectors::AsRead(&bytes));
    let sparse = qdrant::SparseVector {
        values: vec![0.5],
        indices: vec![7],
    };
    let expected = qdrant::NamedVectors::default()
        .add_vector("text", vec![1.0, 2.0])
        .add_vector(
            "chunks",
            qdrant::Vector::new_multi(vec![vec![1.0, 2.0], vec![3.0, 4.0]]),
        )
        .add_vector("words", qdrant::vector::Vector::Sparse(sparse));
    assert_eq!(
        point.vectors.unwrap().vectors_options,
        Some(VectorsOptions::Vectors(expected))
    );
}
