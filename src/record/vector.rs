//! Embeddings.

use std::fmt;

use prost::bytes::Bytes;

/// An embedding: finite 32-bit floats, kept as the little-endian bytes that a provider's base64
/// decodes to and that Qdrant's protocol carries, so that they are only passed on. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Vector(Bytes);

/// A float's size.
const SIZE: usize = size_of::<f32>();

impl Vector {
    /// Of little-endian bytes; `None` if they are not whole floats.
    pub fn from_le_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.len().is_multiple_of(SIZE).then(|| Self(bytes.into()))
    }

    /// Its length in floats.
    pub fn dimensions(&self) -> usize {
        self.0.len() / SIZE
    }

    /// Its floats.
    pub fn floats(&self) -> impl Iterator<Item = f32> {
        self.0.as_chunks().0.iter().copied().map(f32::from_le_bytes)
    }

    /// Whether none of its floats is infinite or no number.
    pub fn is_finite(&self) -> bool {
        // Without stopping at the first, which lets it be done for several at a time.
        self.floats()
            .fold(true, |all, float| all & float.is_finite())
    }

    /// Its floats as little-endian bytes.
    pub fn as_le_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a row is found by: the vector of its point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointVector {
    /// Of the whole text.
    Dense(Vector),
    /// Qdrant's multivector, at least one: those of the text's chunks, in their order. A search by one
    /// vector finds the point by the nearest of them.
    Multi(Box<[Vector]>),
}

impl PointVector {
    /// All of them: one of a dense vector.
    pub fn vectors(&self) -> &[Vector] {
        match self {
            Self::Dense(vector) => std::slice::from_ref(vector),
            Self::Multi(vectors) => vectors,
        }
    }
}

impl From<Vector> for PointVector {
    fn from(vector: Vector) -> Self {
        Self::Dense(vector)
    }
}

impl FromIterator<f32> for Vector {
    fn from_iter<I: IntoIterator<Item = f32>>(floats: I) -> Self {
        let bytes: Vec<u8> = floats.into_iter().flat_map(f32::to_le_bytes).collect();
        Self(bytes.into())
    }
}

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.floats()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_come_back_as_they_were() {
        let floats = [1.0, -0.0, f32::MIN_POSITIVE, 3.5];
        let vector: Vector = floats.into_iter().collect();
        assert_eq!(vector.dimensions(), 4);
        assert!(vector.floats().eq(floats));
        assert_eq!(
            Vector::from_le_bytes(vector.as_le_bytes().to_vec()),
            Some(vector)
        );
    }

    #[test]
    fn bytes_that_are_no_whole_floats_are_no_vector() {
        assert_eq!(Vector::from_le_bytes(vec![0; 5]), None);
    }

    #[test]
    fn one_float_that_is_no_number_makes_a_vector_not_finite() {
        let with = |float| Vector::from_iter([1.0, float, 2.0]).is_finite();
        assert!(with(0.5));
        assert!(!with(f32::NAN));
        assert!(!with(f32::NEG_INFINITY));
    }
}
