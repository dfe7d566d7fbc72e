//! Commit.

mod ledger;

pub use ledger::{OffsetLedger, Rewound};
