//! Record values in JSON: Debezium's envelope `{before, after, source, op, …}` or a flattened row,
//! bare or inside `{schema, payload}`.
//!
//! Read in one pass: what isn't needed (`before`, most of `source`) is skipped without being built.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{error::Failure, record::Row};

use super::{
    super::{
        change::{Change, Parts, Source, may_begin_envelope},
        flattened,
        settings::RowSettings,
    },
    BorrowedName, JsonReader, complaint,
    row::{Found, RowSeed},
};

/// What a value says.
pub(super) fn read(
    bytes: &[u8],
    reader: &mut JsonReader,
    settings: &RowSettings,
) -> Result<Change, Failure> {
    let body = read_as(bytes, Guess::ByFirstName, reader, settings);
    let undecodable = |error: &serde_json::Error| {
        Failure::record(
            "undecodable_value",
            format!(
                "the record's value is not the JSON of a change: {}",
                complaint(error)
            ),
        )
    };
    match body.map_err(|error| undecodable(&error))? {
        Body::Gone => Ok(Change::gone()),
        Body::Flattened(row) => Ok(flattened::change(row, &settings.prefix)),
        Body::Envelope(parts) => match parts.into_change() {
            Some(change) => change,
            // Its first column is called like a field of an envelope.
            None => read_flattened(bytes, Guess::Flattened, reader, settings)
                .map_err(|error| undecodable(&error)),
        },
        // Its first column is called like a part of the converter's.
        Body::NotWrapped => read_flattened(bytes, Guess::Bare, reader, settings)
            .map_err(|error| undecodable(&error)),
    }
}

fn read_flattened(
    bytes: &[u8],
    guess: Guess,
    reader: &mut JsonReader,
    settings: &RowSettings,
) -> Result<Change, serde_json::Error> {
    match read_as(bytes, guess, reader, settings)? {
        Body::Gone => Ok(Change::gone()),
        Body::Flattened(row) => Ok(flattened::change(row, &settings.prefix)),
        Body::Envelope(_) | Body::NotWrapped => Err(Error::custom("neither an envelope nor a row")),
    }
}

fn read_as<'de>(
    bytes: &'de [u8],
    guess: Guess,
    reader: &mut JsonReader,
    settings: &RowSettings,
) -> Result<Body<'de>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let body = ValueSeed {
        guess,
        reader,
        settings,
    }
    .deserialize(&mut json)?;
    json.end()?;
    Ok(body)
}

/// What an object is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// An envelope if its first field is called like one of an envelope's, else a flattened row.
    ByFirstName,
    /// A flattened row, maybe with its schema around it.
    Flattened,
    /// A flattened row without schema, whatever its columns are called.
    Bare,
}

enum Body<'de> {
    Envelope(Parts<'de>),
    Flattened(Row),
    /// A flattened row that was deleted: null, with its schema around it.
    Gone,
    /// What looked like the converter's `{schema, payload}` is none.
    NotWrapped,
}

/// The outermost object: a body, or `{schema, payload}` around one.
struct ValueSeed<'a> {
    guess: Guess,
    reader: &'a mut JsonReader,
    settings: &'a RowSettings,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Body<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let first: Option<BorrowedName<'de>> = map.next_key()?;
        let may_be_wrapped = self.guess != Guess::Bare;
        match first.as_ref().map(|name| &*name.0) {
            Some("schema") if may_be_wrapped => {
                let schema: &RawValue = map.next_value()?;
                match map.next_key::<BorrowedName<'de>>()? {
                    Some(name) if name.0 == "payload" && is_schema(schema) => {}
                    next => return not_wrapped(next.is_some(), map),
                }
                self.load(schema)?;
                let body = map.next_value_seed(self.body())?;
                end(map)?;
                Ok(body)
            }
            Some("payload") if may_be_wrapped => {
                let payload: &RawValue = map.next_value()?;
                match map.next_key::<BorrowedName<'de>>()? {
                    Some(name) if name.0 == "schema" => {}
                    next => return not_wrapped(next.is_some(), map),
                }
                let schema: &RawValue = map.next_value()?;
                if !is_schema(schema) {
                    return not_wrapped(false, map);
                }
                self.load(schema)?;
                end(map)?;
                let mut json = serde_json::Deserializer::from_str(payload.get());
                self.body().deserialize(&mut json).map_err(A::Error::custom)
            }
            _ => {
                if self.reader.schemas.unload() {
                    self.reader.columns.clear();
                }
                self.body().read(first, map)
            }
        }
    }
}

impl ValueSeed<'_> {
    fn load<E: Error>(&mut self, schema: &RawValue) -> Result<(), E> {
        let is_new = if schema.get() == "null" {
            self.reader.schemas.unload()
        } else {
            self.reader.schemas.load(schema).map_err(E::custom)?
        };
        if is_new {
            self.reader.columns.clear();
        }
        Ok(())
    }

    fn body(&mut self) -> BodySeed<'_> {
        BodySeed {
            guess: self.guess,
            reader: self.reader,
            settings: self.settings,
        }
    }
}

/// Whether this may be what the converter writes as `schema`.
fn is_schema(schema: &RawValue) -> bool {
    schema.get().starts_with('{') || schema.get() == "null"
}

/// Reads the rest of what isn't the converter's; `named` when a name has been read without its
/// value.
fn not_wrapped<'de, A: MapAccess<'de>>(named: bool, mut map: A) -> Result<Body<'de>, A::Error> {
    if named {
        map.next_value::<IgnoredAny>()?;
    }
    end(map)?;
    Ok(Body::NotWrapped)
}

fn end<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_key::<IgnoredAny>()?.is_some() {
        map.next_value::<IgnoredAny>()?;
    }
    Ok(())
}

/// An envelope or a flattened row.
struct BodySeed<'a> {
    guess: Guess,
    reader: &'a mut JsonReader,
    settings: &'a RowSettings,
}

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Body<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope, a row or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Body::Gone)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let first = map.next_key()?;
        self.read(first, map)
    }
}

impl BodySeed<'_> {
    /// Reads the object whose first name has been read.
    fn read<'de, A: MapAccess<'de>>(
        mut self,
        first: Option<BorrowedName<'de>>,
        mut map: A,
    ) -> Result<Body<'de>, A::Error> {
        let is_envelope = self.guess == Guess::ByFirstName
            && first
                .as_ref()
                .is_some_and(|name| may_begin_envelope(&name.0));
        if !is_envelope {
            return self.row().columns(first, map).map(Body::Flattened);
        }
        let mut parts = Parts::default();
        let mut next = first;
        while let Some(BorrowedName(name)) = next {
            self.part(&name, &mut parts, &mut map)?;
            next = map.next_key()?;
        }
        Ok(Body::Envelope(parts))
    }

    fn part<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        parts: &mut Parts<'de>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match name {
            "op" => parts.op = map.next_value::<Text<'de>>()?.0,
            "after" => match map.next_value_seed(self.row())? {
                Found::Row(row) => parts.after = Some(row),
                Found::Null => parts.after = None,
                Found::Other => return Ok(()),
            },
            "before" if self.settings.needs_before() => {
                parts.before = match map.next_value_seed(self.row())? {
                    Found::Row(row) => Some(row),
                    Found::Null | Found::Other => None,
                };
            }
            "source" => match map.next_value::<MaybeSource>()?.0 {
                Some(source) => parts.source = source,
                None => return Ok(()),
            },
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        parts.names.note(name);
        Ok(())
    }

    fn row(&mut self) -> RowSeed<'_> {
        RowSeed {
            columns: &mut self.reader.columns,
            schema: &self.reader.schemas,
            settings: self.settings,
        }
    }
}

/// A text; anything else is none.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let text = serde_json::from_str::<BorrowedName<'de>>(raw.get());
        Ok(Self(text.ok().map(|text| text.0)))
    }
}

impl<'de> Deserialize<'de> for MaybeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor).map(Self)
    }
}

/// An envelope's source; anything but an object is none.
struct MaybeSource(Option<Source>);

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Option<Source>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope's source")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut source = Source::default();
        while let Some(BorrowedName(name)) = map.next_key()? {
            match &*name {
                "ts_ms" => source.ts_ms = map.next_value::<Number>()?.0,
                "lsn" => source.lsn = map.next_value::<Number>()?.0,
                "scn" => source.scn = map.next_value::<Number>()?.0,
                "pos" => source.pos = map.next_value::<Number>()?.0,
                "file" => source.file = map.next_value::<Text<'de>>()?.0.map(Into::into),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(source))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A number, or its digits as text (Oracle's system change numbers); anything else is none.
struct Number(Option<i64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(match json {
            serde_json::Value::Number(number) => number.as_i64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        }))
    }
}
