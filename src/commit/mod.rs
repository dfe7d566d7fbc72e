//! Commit: settled records come in, the offset that the group may commit goes out.
//!
//! The [`OffsetLedger`] of each partition knows every received offset; its frontier, the lowest
//! unsettled one, is [published](Frontier) to whoever commits.

mod frontier;
mod ledger;

pub use frontier::Frontier;
pub use ledger::{OffsetLedger, Rewound};
