//! The hashes by which the index is compared with the table, and the fingerprint of a model.

use std::{fmt, str::FromStr, sync::Arc};

/// A hash is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash of 32 hexadecimal digits")]
pub struct ParseHashError;

macro_rules! hash_of_16_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The hash whose bytes these are.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0
            }

            /// The first 16 bytes of the hash of `data`.
            pub fn of(data: &[u8]) -> Self {
                let hash = blake3::hash(data);
                Self(*hash.as_bytes().first_chunk().expect("16 of 32 bytes"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                if text.len() != 32 {
                    return Err(ParseHashError);
                }
                u128::from_str_radix(text, 16)
                    .map(|number| Self(number.to_be_bytes()))
                    .map_err(|_| ParseHashError)
            }
        }
    };
}

hash_of_16_bytes! {
    /// BLAKE3 over the text that is embedded, first 16 bytes.
    TextHash
}

hash_of_16_bytes! {
    /// BLAKE3 over a point's payload fields, sorted by name and type-tagged, first 16 bytes.
    /// Columns configured to be ignored are not in it.
    PayloadHash
}

impl TextHash {
    /// The hash of one text.
    pub fn of_text(text: &str) -> Self {
        Self::of(text.as_bytes())
    }
}

/// The first 8 bytes of a [`PayloadHash`]: enough to tell whether one point's payload is another now,
/// and small enough to remember of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortHash(pub u64);

impl PayloadHash {
    /// The part of it that is remembered.
    pub fn short(&self) -> ShortHash {
        let [bytes @ .., _, _, _, _, _, _, _, _] = self.0;
        ShortHash(u64::from_be_bytes(bytes))
    }
}

/// The last 3 bytes of a version's hash: enough to count conflicts within one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortVersion(pub [u8; 3]);

impl ShortVersion {
    /// The part that is remembered of a [`Document`](super::Document)'s version.
    pub fn of(version: u64) -> Self {
        let [.., a, b, c] = version.to_be_bytes();
        Self([a, b, c])
    }
}

/// What made a vector: provider, model and number of dimensions, as `model/dimensions@host`; and how
/// texts are split for it, if they are, as `model/dimensions@host;chunks=longest/overlap/most`. Vectors under different fingerprints can't be compared, so a changed one means embedding anew.
/// The template isn't in it: another template that makes the same text needs no new vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// Of the model's name, the vectors' length, and the endpoint as configured.
    pub fn new(model: &str, dimensions: u32, endpoint: &str) -> Self {
        let host = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, rest)| rest)
            .split('/')
            .next()
            .unwrap_or_default();
        Self(format!("{model}/{dimensions}@{host}").into())
    }

    /// The same, of texts that are split: of the longest chunk and the overlap, in tokens, and the most
    /// chunks of a text.
    #[must_use]
    pub fn in_chunks(self, longest: u32, overlap: u32, most: u32) -> Self {
        Self(format!("{};chunks={longest}/{overlap}/{most}", self.0).into())
    }

    /// As stored in a point.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_being_written_and_read() {
        let hash = TextHash::of_text("Product: kettle");
        assert_eq!(hash.to_string().parse::<TextHash>().unwrap(), hash);
        assert_eq!(hash.to_string().len(), 32);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "xyz", "+1111111111111111111111111111111"] {
            let parsed = text.parse::<TextHash>();
            assert!(
                parsed.is_err() || parsed.unwrap().to_string() != text,
                "{text}"
            );
        }
    }

    #[test]
    fn a_fingerprint_names_the_host_but_not_the_path() {
        let fingerprint = Fingerprint::new("m", 8, "https://api.example.com/v1");
        assert_eq!(fingerprint.as_str(), "m/8@api.example.com");
        assert_eq!(
            Fingerprint::new("m", 8, "embedded").as_str(),
            "m/8@embedded"
        );
        assert_eq!(
            Fingerprint::new("m", 8, "embedded")
                .in_chunks(512, 0, 16)
                .as_str(),
            "m/8@embedded;chunks=512/0/16"
        );
    }
}
