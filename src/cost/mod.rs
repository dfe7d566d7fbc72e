//! What embeddings cost: prices, accounts, budgets.
//!
//! - [`PriceTable`] has the models' prices: shipped with the program, dated, and overridden by a file.
//! - [`estimate`] computes what a catalogue will cost before there is one.
//! - [`Account`] has what was spent and saved, by table, model and why; [`Books`] are those of one
//!   process, and [`SpendingBudget`] says whether anything may be bought right now.
//!
//! No I/O is done here, but that a file of prices is read: accounts are kept in the index, by
//! [`index::Accounts`](crate::index::Accounts). `docs/cost.md` has the same for those who pay.

mod account;
mod books;
mod budget;
mod calendar;
mod configured;
pub mod estimate;
mod money;
mod prices;
mod savings;

pub use account::{Account, Entry, Figures, Purpose, Reason, Saving, Spent, Why};
#[cfg(test)]
pub(crate) use books::tests as books_tests;
pub use books::{Access, Books, BoughtText, Clock, Overview, Reserved};
pub use budget::{Period, SpendingBudget, Standing};
pub use calendar::{CalendarError, Day, Month};
pub use configured::KnownPrice;
pub(crate) use money::grouped;
pub use money::{Money, Price, PriceError};
pub use prices::{Model, PriceTable, PriceTableError};
pub use savings::{Savings, Texts};
