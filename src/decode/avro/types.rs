//! A schema, ready to be read by: types that refer to each other by number, so that a named type
//! may be used twice, or within itself.

use std::sync::Arc;

use crate::record::ColumnType;

/// The number of a type in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeId(u32);

/// The types of a schema.
#[derive(Debug, Default)]
pub(super) struct Types {
    types: Vec<Type>,
}

/// One type.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) shape: Shape,
    /// What its logical name makes of it, as a column.
    pub(super) meaning: ColumnType,
}

/// How a type is encoded.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Null,
    Boolean,
    /// `int` or `long`.
    Integer,
    Float,
    Double,
    Bytes,
    String,
    /// So many bytes.
    Fixed(usize),
    /// Sixteen bytes that are a UUID.
    Uuid,
    /// Its symbols.
    Enum(Arc<[Box<str>]>),
    Array(TypeId),
    /// Of such values, by text.
    Map(TypeId),
    Union(Arc<[TypeId]>),
    Record(Arc<[Field]>),
}

/// A field of a record.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    pub(super) of: TypeId,
}

impl Types {
    pub(super) fn len(&self) -> usize {
        self.types.len()
    }

    pub(super) fn add(&mut self, shape: Shape, meaning: ColumnType) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(Type { shape, meaning });
        id
    }

    /// Gives a type the shape that it was announced without.
    pub(super) fn complete(&mut self, id: TypeId, shape: Shape) {
        if let Some(known) = self.types.get_mut(id.0 as usize) {
            known.shape = shape;
        }
    }

    pub(super) fn get(&self, id: TypeId) -> &Type {
        self.types
            .get(id.0 as usize)
            .expect("only this schema's own numbers are used, and types are never removed")
    }

    pub(super) fn shape(&self, id: TypeId) -> &Shape {
        &self.get(id).shape
    }

    /// The fields of a record, which may be optional: a union with null.
    pub(super) fn record(&self, id: TypeId) -> Option<&Arc<[Field]>> {
        match self.shape(id) {
            Shape::Record(fields) => Some(fields),
            Shape::Union(branches) => match self.only(branches) {
                Some(branch) => match self.shape(branch) {
                    Shape::Record(fields) => Some(fields),
                    _ => None,
                },
                None => None,
            },
            _ => None,
        }
    }

    /// The one branch that isn't null.
    pub(super) fn only(&self, branches: &[TypeId]) -> Option<TypeId> {
        let mut others = branches
            .iter()
            .filter(|branch| !matches!(self.shape(**branch), Shape::Null));
        let only = others.next()?;
        others.next().is_none().then_some(*only)
    }
}
