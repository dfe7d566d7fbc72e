//! What is on its way for a key: one write, and one text's embedding.

use std::sync::{Arc, Weak};

use crate::record::{Position, Settled, Superseded, TextHash, Ticket, Wish, WriteKind};

use super::observed::Observed;

/// A write on its way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// What the index holds once it is done.
    pub(super) becomes: Observed,
    /// The news it was made of.
    pub(super) position: Position,
    /// What it does, if searchers see it.
    pub(super) shows: Option<WriteKind>,
    /// How the record settles if this write makes index and table agree.
    pub(super) settles_as: Settled,
    /// How it settles if later news came before the answer: a delete is done by then, a row may
    /// still owe its vector.
    pub(super) settles_late_as: Settled,
    /// The acknowledgements of news that was superseded while this was under way: they settle with
    /// the answer.
    pub(super) superseded: Superseded,
    /// Whether its effect is in doubt, whatever the answer.
    pub(super) is_doubtful: bool,
    /// The text that the point then says is owed.
    pub(super) owes: Option<TextHash>,
}

/// An embedding on its way.
#[derive(Debug)]
pub(super) struct Embedding {
    pub(super) ticket: Ticket,
    pub(super) text: TextHash,
    /// Kept while the vector is wanted.
    pub(super) wish: Arc<Wish>,
}

impl Embedding {
    pub(super) fn new(ticket: Ticket, text: TextHash) -> (Self, Weak<Wish>) {
        let wish = Arc::new(Wish::default());
        let weak = Arc::downgrade(&wish);
        (Self { ticket, text, wish }, weak)
    }

    /// Whether the text is on its way to the provider, all of it: of one in chunks, some may be sent
    /// long before the others, and it is not held in memory for them.
    pub(super) fn is_under_way(&self) -> bool {
        self.wish.is_under_way()
    }
}
