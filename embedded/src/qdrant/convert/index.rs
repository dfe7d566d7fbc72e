//! Payload indexes.
//!
//! Where an index lives (`on_disk`, `memory`) changes no answer and is left to the engine.

use std::collections::HashMap;

use qdrant_client::qdrant::{self as proto, FieldType, payload_index_params::IndexParams};
use qdrant_edge::{
    IntegerIndexParams, JsonPath, KeywordIndexParams, PayloadFieldSchema, PayloadIndexInfo,
    PayloadSchemaParams, PayloadSchemaType,
};
use tonic::Status;

use crate::qdrant::error::unimplemented;

/// The engine's form of the index a client asks for.
pub(in crate::qdrant) fn from_proto(
    field_type: Option<i32>,
    params: Option<proto::PayloadIndexParams>,
) -> Result<PayloadFieldSchema, Status> {
    let field_type = field_type
        .and_then(|number| FieldType::try_from(number).ok())
        .ok_or_else(|| Status::invalid_argument("cannot convert field_type"))?;
    let plain = |kind| Ok(PayloadFieldSchema::FieldType(kind));
    match (field_type, params.and_then(|params| params.index_params)) {
        (FieldType::Keyword, None) => plain(PayloadSchemaType::Keyword),
        (FieldType::Integer, None) => plain(PayloadSchemaType::Integer),
        (FieldType::Float, None | Some(IndexParams::FloatIndexParams(_))) => {
            plain(PayloadSchemaType::Float)
        }
        (FieldType::Geo, None | Some(IndexParams::GeoIndexParams(_))) => {
            plain(PayloadSchemaType::Geo)
        }
        (FieldType::Bool, None | Some(IndexParams::BoolIndexParams(_))) => {
            plain(PayloadSchemaType::Bool)
        }
        (FieldType::Datetime, None | Some(IndexParams::DatetimeIndexParams(_))) => {
            plain(PayloadSchemaType::Datetime)
        }
        (FieldType::Uuid, None | Some(IndexParams::UuidIndexParams(_))) => {
            plain(PayloadSchemaType::Uuid)
        }
        (FieldType::Text, None) => plain(PayloadSchemaType::Text),
        (FieldType::Text, Some(IndexParams::TextIndexParams(_))) => {
            Err(unimplemented("parameters of text indexes"))
        }
        (FieldType::Keyword, Some(IndexParams::KeywordIndexParams(params))) => {
            if params.prefix.is_some() {
                return Err(unimplemented("prefix index of keywords"));
            }
            Ok(PayloadFieldSchema::FieldParams(
                PayloadSchemaParams::Keyword(KeywordIndexParams {
                    is_tenant: params.is_tenant,
                    ..KeywordIndexParams::default()
                }),
            ))
        }
        (FieldType::Integer, Some(IndexParams::IntegerIndexParams(params))) => {
            // An index that answers neither would answer nothing.
            if params.lookup == Some(false) && params.range == Some(false) {
                return Err(Status::invalid_argument(
                    "the 'lookup' and 'range' capabilities can't be both disabled",
                ));
            }
            Ok(PayloadFieldSchema::FieldParams(
                PayloadSchemaParams::Integer(IntegerIndexParams {
                    lookup: params.lookup,
                    range: params.range,
                    is_principal: params.is_principal,
                    ..IntegerIndexParams::default()
                }),
            ))
        }
        (field_type, Some(_)) => Err(Status::invalid_argument(format!(
            "field_type ({field_type:?}) and field_index_params do not match"
        ))),
    }
}

/// The payload indexes of a collection, by field.
pub(in crate::qdrant) fn schema_to_proto(
    schema: HashMap<JsonPath, PayloadIndexInfo>,
) -> HashMap<String, proto::PayloadSchemaInfo> {
    schema
        .into_iter()
        .map(|(field, index)| (field.to_string(), info_to_proto(index)))
        .collect()
}

fn info_to_proto(index: PayloadIndexInfo) -> proto::PayloadSchemaInfo {
    let data_type = match index.data_type {
        PayloadSchemaType::Keyword => proto::PayloadSchemaType::Keyword,
        PayloadSchemaType::Integer => proto::PayloadSchemaType::Integer,
        PayloadSchemaType::Float => proto::PayloadSchemaType::Float,
        PayloadSchemaType::Geo => proto::PayloadSchemaType::Geo,
        PayloadSchemaType::Text => proto::PayloadSchemaType::Text,
        PayloadSchemaType::Bool => proto::PayloadSchemaType::Bool,
        PayloadSchemaType::Datetime => proto::PayloadSchemaType::Datetime,
        PayloadSchemaType::Uuid => proto::PayloadSchemaType::Uuid,
    };
    let params = index.params.and_then(|params| match params {
        PayloadSchemaParams::Keyword(params) => {
            Some(IndexParams::KeywordIndexParams(proto::KeywordIndexParams {
                is_tenant: params.is_tenant,
                ..proto::KeywordIndexParams::default()
            }))
        }
        PayloadSchemaParams::Integer(params) => {
            Some(IndexParams::IntegerIndexParams(proto::IntegerIndexParams {
                lookup: params.lookup,
                range: params.range,
                is_principal: params.is_principal,
                ..proto::IntegerIndexParams::default()
            }))
        }
        PayloadSchemaParams::Float(_)
        | PayloadSchemaParams::Geo(_)
        | PayloadSchemaParams::Text(_)
        | PayloadSchemaParams::Bool(_)
        | PayloadSchemaParams::Datetime(_)
        | PayloadSchemaParams::Uuid(_) => None,
    });
    proto::PayloadSchemaInfo {
        data_type: data_type.into(),
        params: params.map(|index_params| proto::PayloadIndexParams {
            index_params: Some(index_params),
        }),
        points: Some(index.points as u64),
    }
}
