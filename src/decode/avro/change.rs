//! Record values: Debezium's envelope or a flattened row, by what the schema's fields are called.
//!
//! What isn't needed (`before`, most of `source`, columns that nothing uses) is skipped without
//! being built.

use std::{borrow::Cow, sync::Arc};

use crate::{
    decode::{
        change::{Change, Names, Operation, Parts, Source, may_begin_envelope},
        flattened, json,
        settings::RowSettings,
    },
    error::Failure,
    record::{ColumnType, Row, Value},
};

use super::{
    Broken,
    cursor::Cursor,
    types::{Field, Shape, TypeId, Types},
    value,
};

/// How the values of a schema are read.
#[derive(Debug)]
pub(super) struct ChangePlan {
    root: TypeId,
    /// Absent where the fields' names say that it is none.
    envelope: Option<Envelope>,
    /// The same fields as columns.
    flattened: Option<Columns>,
}

#[derive(Debug)]
struct Envelope {
    names: Names,
    parts: Box<[(Part, TypeId)]>,
}

/// A field of an envelope.
#[derive(Debug)]
enum Part {
    Operation,
    Before(Columns),
    After(Columns),
    /// MongoDB's: a document as text.
    AfterText,
    Source(Box<[(SourcePart, TypeId)]>),
    Skipped,
}

/// A field of an envelope's `source`.
#[derive(Debug, Clone, Copy)]
enum SourcePart {
    CommitTime,
    Lsn,
    Scn,
    File,
    Pos,
    Skipped,
}

/// The columns of a row, in their order.
#[derive(Debug)]
struct Columns {
    columns: Box<[Column]>,
    needed: usize,
}

#[derive(Debug)]
struct Column {
    name: Arc<str>,
    of: TypeId,
    read_as: ColumnType,
}

impl ChangePlan {
    pub(super) fn new(types: &Types, root: TypeId, settings: &RowSettings) -> Self {
        let fields = types.record(root);
        Self {
            root,
            envelope: fields.and_then(|fields| Envelope::new(types, fields, settings)),
            flattened: fields.map(|fields| Columns::new(types, fields, settings)),
        }
    }

    /// What a value says. The outer error is that of the bytes, the inner one of what they say.
    pub(super) fn read(
        &self,
        types: &Types,
        data: &[u8],
        settings: &RowSettings,
    ) -> Result<Result<Change, Failure>, Broken> {
        let Some(flattened) = &self.flattened else {
            return Ok(Err(no_record()));
        };
        let mut cursor = Cursor::new(data);
        if !begins_record(&mut cursor, types, self.root)? {
            cursor.end()?;
            return Ok(Ok(gone()));
        }
        if let Some(envelope) = &self.envelope {
            let parts = envelope.read(&mut cursor, types, settings)?;
            cursor.end()?;
            if let Some(change) = parts.into_change() {
                return Ok(change);
            }
            // Its columns are called like an envelope's fields.
            cursor = Cursor::new(data);
            begins_record(&mut cursor, types, self.root)?;
        }
        let row = flattened.read(&mut cursor, types, settings)?;
        cursor.end()?;
        Ok(Ok(flattened::change(row, &settings.prefix)))
    }
}

/// Whether the record is there: it may be optional.
fn begins_record(cursor: &mut Cursor<'_>, types: &Types, of: TypeId) -> Result<bool, Broken> {
    match types.shape(of) {
        Shape::Union(branches) => {
            let branch = value::branch(cursor, branches)?;
            Ok(!matches!(types.shape(branch), Shape::Null))
        }
        _ => Ok(true),
    }
}

/// A null value, as a tombstone is.
fn gone() -> Change {
    Change {
        operation: Operation::Delete(None),
        commit_ms: None,
        source: None,
        before: None,
    }
}

fn no_record() -> Failure {
    Failure::record(
        "no_envelope",
        "the value's schema is no record: neither Debezium's envelope nor a flattened row",
    )
}

impl Envelope {
    fn new(types: &Types, fields: &[Field], settings: &RowSettings) -> Option<Self> {
        let first = fields.first()?;
        if !may_begin_envelope(&first.name) {
            return None;
        }
        let mut names = Names::default();
        for field in fields {
            names.note(&field.name);
        }
        let parts = fields
            .iter()
            .map(|field| (Part::new(types, field, settings), field.of))
            .collect();
        Some(Self { names, parts })
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        types: &Types,
        settings: &RowSettings,
    ) -> Result<Parts<'a>, Broken> {
        let mut parts = Parts {
            names: self.names,
            ..Parts::default()
        };
        for (part, of) in &self.parts {
            match part {
                Part::Skipped => value::skip(cursor, types, *of)?,
                Part::Operation => {
                    parts.op = value::text(cursor, types, *of)?.map(Cow::Borrowed);
                }
                Part::Before(columns) => {
                    parts.before = columns.read_optional(cursor, types, *of, settings)?;
                }
                Part::After(columns) => {
                    parts.after = columns.read_optional(cursor, types, *of, settings)?;
                }
                Part::AfterText => {
                    parts.after = value::text(cursor, types, *of)?
                        .map(|text| json::document(text, settings))
                        .transpose()
                        .map_err(|error| Broken::Document(json::complaint(&error)))?;
                }
                Part::Source(fields) => {
                    if begins_record(cursor, types, *of)? {
                        parts.source = read_source(cursor, types, fields)?;
                    }
                }
            }
        }
        Ok(parts)
    }
}

impl Part {
    fn new(types: &Types, field: &Field, settings: &RowSettings) -> Self {
        let columns = || {
            types
                .record(field.of)
                .map(|fields| Columns::new(types, fields, settings))
        };
        match &*field.name {
            "op" => Some(Self::Operation),
            "after" => Some(columns().map_or(Self::AfterText, Self::After)),
            "before" if settings.needs_before() => columns().map(Self::Before),
            "source" => types.record(field.of).map(|fields| {
                let parts = fields.iter().map(|field| {
                    let part = match &*field.name {
                        "ts_ms" => SourcePart::CommitTime,
                        "lsn" => SourcePart::Lsn,
                        "scn" => SourcePart::Scn,
                        "file" => SourcePart::File,
                        "pos" => SourcePart::Pos,
                        _ => SourcePart::Skipped,
                    };
                    (part, field.of)
                });
                Self::Source(parts.collect())
            }),
            _ => None,
        }
        .unwrap_or(Self::Skipped)
    }
}

fn read_source(
    cursor: &mut Cursor<'_>,
    types: &Types,
    fields: &[(SourcePart, TypeId)],
) -> Result<Source, Broken> {
    let mut source = Source::default();
    for (part, of) in fields {
        match part {
            SourcePart::Skipped => value::skip(cursor, types, *of)?,
            SourcePart::CommitTime => source.ts_ms = value::number(cursor, types, *of)?,
            SourcePart::Lsn => source.lsn = value::number(cursor, types, *of)?,
            SourcePart::Scn => source.scn = value::number(cursor, types, *of)?,
            SourcePart::Pos => source.pos = value::number(cursor, types, *of)?,
            SourcePart::File => source.file = value::text(cursor, types, *of)?.map(Into::into),
        }
    }
    Ok(source)
}

impl Columns {
    fn new(types: &Types, fields: &[Field], settings: &RowSettings) -> Self {
        let columns: Box<[Column]> = fields
            .iter()
            .map(|field| Column {
                name: field.name.clone(),
                of: field.of,
                read_as: settings.column_type(&field.name, || types.get(field.of).meaning.clone()),
            })
            .collect();
        let needed = columns
            .iter()
            .filter(|column| column.read_as != ColumnType::Skipped)
            .count();
        Self { columns, needed }
    }

    fn read_optional(
        &self,
        cursor: &mut Cursor<'_>,
        types: &Types,
        of: TypeId,
        settings: &RowSettings,
    ) -> Result<Option<Row>, Broken> {
        if begins_record(cursor, types, of)? {
            self.read(cursor, types, settings).map(Some)
        } else {
            Ok(None)
        }
    }

    fn read(
        &self,
        cursor: &mut Cursor<'_>,
        types: &Types,
        settings: &RowSettings,
    ) -> Result<Row, Broken> {
        let placeholder = &settings.placeholder;
        let mut row: Vec<(Arc<str>, Value)> = Vec::with_capacity(self.needed);
        for Column { name, of, read_as } in &self.columns {
            if *read_as == ColumnType::Skipped {
                value::skip(cursor, types, *of)?;
                continue;
            }
            let value = value::column(cursor, types, *of, read_as, placeholder)
                .map_err(|broken| broken.in_column(name))?;
            row.push((name.clone(), value));
        }
        Ok(Row::new(row))
    }
}
