//! Embedding providers, measured side by side: the same texts, at the same time, each request sent
//! once.
//!
//! - [`measure`] sends the requests of a [`Plan`] to every [`Provider`], as long as the [`Purse`] lasts.
//! - What came of them is a [`Measured`] each; [`Figures`] are computed from it, and [`Quality`] from
//!   the vectors of two.
//!
//! All but [`measure`] is arithmetic. `docs/probe.md` says what the figures mean.

mod figures;
mod latency;
mod measured;
mod purse;
mod quality;
mod run;
mod turn;

pub use figures::Figures;
pub use latency::Latencies;
pub use measured::{Answered, End, Kind, Measured};
pub use purse::{Ceiling, Purse};
pub use quality::{NEIGHBOURS, Quality, compare};
pub use run::{Plan, Progress, Provider, measure};
