//! The types that flow from stage to stage, one file each.
//!
//! [`RawRecord`] is what Kafka delivered; [`RowChange`] is what it says about one row;
//! [`Document`] is what the index should hold for that row.
//! An [`Ack`] travels beside each of them and is settled exactly once.

mod ack;
mod change;
mod column_type;
mod document;
mod epoch;
mod hash;
mod key;
mod key_change;
mod offset;
mod payload;
mod placeholder;
mod point;
mod priority;
mod provenance;
mod raw;
mod recheck;
mod schema;
mod share;
mod ticket;
mod truncate;
mod value;
mod vector;
mod watermark;
mod wish;
mod write;

pub use ack::{Ack, Settled};
pub use change::{Origin, Position, RowChange, RowState, SourcePosition};
pub use column_type::{ColumnType, NoSuchType, TypeHint, Unit};
pub use document::Document;
pub use epoch::Epoch;
pub use hash::{Fingerprint, ParseHashError, PayloadHash, ShortHash, ShortVersion, TextHash};
pub use key::RowKey;
pub use key_change::{Completion, Creation, Desired, KeyChange, Superseded};
pub use offset::{Offset, TopicPartition};
pub use payload::{Payload, RESERVED_FIELD};
pub use placeholder::{Placeholder, PlaceholderError};
pub use point::{Content, KnownPoint, NoPointId, Parked, PointId, PointState, Stored, Tombstone};
pub use priority::Priority;
pub use provenance::Provenance;
pub use raw::{Header, RawRecord};
pub use recheck::{Answer, AskedRow, Doubt, Receipt, Recheck};
pub use schema::{SchemaId, SchemaLanguage, WriterSchema};
pub use share::Share;
pub use ticket::Ticket;
pub use truncate::TruncateMark;
pub use value::{NeededColumns, Row, Value, exact_number};
pub use vector::{PointVector, Vector};
pub use watermark::{Reflected, Watermark};
pub use wish::Wish;
pub use write::{Expected, Write, WriteKind, WriteOutcome, WrittenUnder};
