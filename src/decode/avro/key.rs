//! Record keys: a record of key columns, or one bare value.

use std::sync::Arc;

use crate::{
    decode::{
        key::{KeyBuilder, null_key},
        settings::RowSettings,
    },
    error::Failure,
    record::{ColumnType, RowKey, Value},
};

use super::{
    Broken,
    cursor::Cursor,
    types::{Shape, TypeId, Types},
    value,
};

/// How the keys of a schema are read.
#[derive(Debug)]
pub(super) struct KeyPlan {
    columns: Box<[KeyColumn]>,
}

#[derive(Debug)]
struct KeyColumn {
    /// Absent where the key is one bare value.
    name: Option<Arc<str>>,
    of: TypeId,
    column_type: ColumnType,
}

impl KeyPlan {
    pub(super) fn new(types: &Types, root: TypeId, settings: &RowSettings) -> Self {
        let meaning = |of: TypeId| types.get(of).meaning.clone();
        let columns = match types.shape(root) {
            Shape::Record(fields) => fields
                .iter()
                .map(|field| KeyColumn {
                    name: Some(field.name.clone()),
                    of: field.of,
                    column_type: settings
                        .hint(&field.name)
                        .cloned()
                        .unwrap_or_else(|| meaning(field.of)),
                })
                .collect(),
            _ => Box::from([KeyColumn {
                name: None,
                of: root,
                column_type: meaning(root),
            }]),
        };
        Self { columns }
    }

    /// The canonical form of a key: that of the same key in JSON. The outer error is that of the
    /// bytes, the inner one of what they say.
    pub(super) fn read(
        &self,
        types: &Types,
        data: &[u8],
        settings: &RowSettings,
    ) -> Result<Result<RowKey, Failure>, Broken> {
        let mut cursor = Cursor::new(data);
        let mut key = KeyBuilder::new();
        let mut refused = None;
        for column in &self.columns {
            let pushed = push(&mut key, &mut cursor, types, column, settings).map_err(
                |broken| match &column.name {
                    Some(name) => broken.in_column(name),
                    None => broken,
                },
            )?;
            refused = refused.or(pushed.err());
        }
        cursor.end()?;
        Ok(match refused {
            Some(failure) => Err(failure),
            None => key.finish(),
        })
    }
}

fn push(
    key: &mut KeyBuilder,
    cursor: &mut Cursor<'_>,
    types: &Types,
    column: &KeyColumn,
    settings: &RowSettings,
) -> Result<Result<(), Failure>, Broken> {
    let KeyColumn {
        of, column_type, ..
    } = column;
    let value = match (types.shape(*of), column_type) {
        (_, ColumnType::Decimal { .. } | ColumnType::VariableScaleDecimal) => {
            value::column(cursor, types, *of, column_type, &settings.placeholder)?
        }
        (Shape::String, _) => Value::String(cursor.text()?.into()),
        (Shape::Integer, _) => Value::Int(cursor.long()?),
        // Dates and times stay the numbers they are: their form must not depend on a schema.
        _ => Value::Json(Box::new(value::json(cursor, types, *of)?)),
    };
    Ok(match value {
        Value::Json(json) if json.is_null() => Err(null_key()),
        value => key.push(&value),
    })
}
