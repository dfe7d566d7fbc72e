//! Window: changes of one partition come in, one change a key goes out. Pure: `now` is passed in.
//!
//! Two delays, because two kinds of work wait for different things:
//! - the [`Window`] collapses what is already at hand, for milliseconds, so that a delete and a
//!   create of one transaction become one update. It is all that a delete or a payload patch
//!   waits for;
//! - a [`Debounce`] holds back a text until it has been quiet for seconds, because each version
//!   of a text costs an embedding.

mod collapse;
mod debounce;

pub use collapse::Window;
pub use debounce::Debounce;
