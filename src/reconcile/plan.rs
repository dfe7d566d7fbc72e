//! The plan: the least that makes the index equal to the table for one key.
//!
//! | desired vs observed | plan | embedding |
//! |---|---|---|
//! | row gone, tombstone | nothing | no |
//! | row gone, point or none | delete: leave a tombstone | no |
//! | text and payload equal | nothing | no |
//! | text equal, payload differs | patch the payload | no |
//! | text differs, payload equal | embed, then upsert | yes |
//! | both differ | patch the payload now, embed, then upsert | yes |
//! | no point | embed, then upsert | yes |

use crate::record::{Desired, TextHash};

use super::observed::Observed;

/// What to do next about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Index and table agree.
    Nothing,
    /// Leave a tombstone. Also where there is no point: what a former owner, or the owner of another
    /// partition, may still write of the row must not bring it back.
    Delete,
    /// Replace the payload; the vector is right.
    Patch,
    /// Replace the payload, although the vector is of an older text: that one follows.
    PatchThenEmbed,
    /// Get a vector of the text; nothing can be written before.
    Embed,
    /// Write vector and payload: the vector at hand is of the desired text.
    Upsert,
}

/// Compares what is desired with what is observed; `vector` is the text of the vector at hand.
pub fn plan(desired: &Desired, observed: &Observed, vector: Option<TextHash>) -> Plan {
    let document = match (desired, observed) {
        (Desired::Gone, Observed::Tombstone(_)) => return Plan::Nothing,
        (Desired::Gone, _) => return Plan::Delete,
        (Desired::Row(document), _) => document,
    };
    let (text_equal, payload_equal) = match observed {
        Observed::Absent | Observed::AssumedAbsent | Observed::Tombstone(_) => (false, true),
        Observed::Present(present) => (
            present.text == Some(document.text_hash),
            present.payload == Some(document.payload_hash.short()),
        ),
    };
    let vector_fits = vector == Some(document.text_hash);
    match (text_equal, payload_equal) {
        (true, true) => Plan::Nothing,
        (true, false) => Plan::Patch,
        (false, _) if vector_fits => Plan::Upsert,
        (false, true) => Plan::Embed,
        (false, false) => Plan::PatchThenEmbed,
    }
}
