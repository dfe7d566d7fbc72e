//! What embeddings cost: prices, and what they come to.
//!
//! - [`PriceTable`] has the models' prices: shipped with the program, dated, and overridden by a file.
//! - [`estimate`] computes what a catalogue will cost before there is one.
//!
//! `docs/cost.md` has the same for those who pay.

mod calendar;
pub mod estimate;
mod money;
mod prices;

pub use calendar::{CalendarError, Day, Month};
pub(crate) use money::grouped;
pub use money::{Money, Price, PriceError};
pub use prices::{Model, PriceTable, PriceTableError};
