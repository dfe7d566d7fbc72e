//! Optional keys with a default: TOML has no null, so a value that could mean nothing else says
//! "none" (0 for a limit). It is written the same way, so that what is printed is
//! read back equal.

/// `0s` is never.
pub(super) mod zero_duration {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    use super::super::human_duration;

    #[expect(clippy::ref_option, reason = "serde hands over the field by reference")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        human_duration::serialize(&time.unwrap_or_default(), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        human_duration::deserialize(deserializer).map(|time| Some(time).filter(|it| !it.is_zero()))
    }
}

/// `0` is no limit.
pub(super) mod zero_limit {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        clippy::ref_option,
        reason = "serde hands over the field by reference"
    )]
    pub(crate) fn serialize<S: Serializer>(
        limit: &Option<u32>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(limit.unwrap_or_default())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u32>, D::Error> {
        u32::deserialize(deserializer).map(|limit| Some(limit).filter(|limit| *limit != 0))
    }
}
