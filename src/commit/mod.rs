//! Commit: settled records come in, the offset that the group may commit goes out.
//!
//! The [`OffsetLedger`] of each partition knows every received offset; its frontier, the lowest
//! unsettled one, is [published](Frontier) and committed from there, by the source's threads: on a
//! timer, when a partition is given up, and at the end.

mod committer;
mod frontier;
mod ledger;

pub use committer::LastCommit;
pub(crate) use committer::{Committed, Which, commit, last_commits};
pub use frontier::Frontier;
pub use ledger::{OffsetLedger, Rewound};
