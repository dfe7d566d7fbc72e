//! One key with unsettled news.

use std::time::Instant;

use hashbrown::HashMap;

use crate::{
    cost::Savings,
    error::Failure,
    record::{
        Ack, Completion, Creation, Desired, Document, Doubt, Fingerprint, KeyChange, PointId,
        PointState, PointVector, RowKey, Settled, ShortVersion, Stored, TextHash, Ticket,
        Tombstone, TopicPartition, WriteOutcome,
    },
    window::Debounce,
};

use super::{
    action::Action,
    in_flight::{Embedding, InFlight},
    news::News,
    observed::{Observed, Present, Written},
};

/// What is known of the key's point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// Nothing yet: it is being read.
    Unknown,
    /// This.
    Known(Observed),
}

/// A text that can't be embedded, and what its dead letter says.
#[derive(Debug)]
pub(super) struct Refused {
    text: TextHash,
    pub(super) stage: &'static str,
    pub(super) failure: Failure,
}

impl Refused {
    /// Of a row that has no text to begin with.
    fn of(change: &KeyChange) -> Option<Self> {
        let Desired::Row(document) = &change.desired else {
            return None;
        };
        let failure = document.without_text(&change.key)?;
        Some(Self {
            text: document.text_hash,
            stage: "document",
            failure,
        })
    }
}

/// One key with unsettled news.
#[derive(Debug)]
pub(super) struct Slot {
    key: RowKey,
    pub(super) news: News,
    pub(super) view: View,
    /// What of the point is not to be relied on, until it was written.
    pub(super) doubt: Option<Doubt>,
    pub(super) writing: Option<InFlight>,
    pub(super) embedding: Option<Embedding>,
    /// A vector that came back, and the text it is of.
    pub(super) vector: Option<(TextHash, PointVector)>,
    /// A text that waits to be quiet.
    pub(super) held_back: Option<(TextHash, Debounce)>,
    /// A text that can't be embedded.
    refused: Option<Refused>,
    /// Since when there has been unsettled news of the key.
    since: Instant,
    /// Whether the text is not to be waited for.
    waits_no_longer: bool,
    /// The text that the point says is owed.
    pub(super) owed: Option<TextHash>,
}

impl Slot {
    /// `observed` is what is known of the point, of which nothing in `doubt` is to be relied on.
    pub(super) fn new(
        change: KeyChange,
        observed: Option<Observed>,
        doubt: Option<Doubt>,
        now: Instant,
    ) -> Self {
        let owed = match &change.desired {
            Desired::Row(document) if change.from.ack.is_debt() => Some(document.text_hash),
            _ => None,
        };
        let refused = Refused::of(&change);
        Self {
            key: change.key.clone(),
            news: News::of(change),
            view: observed.map_or(View::Unknown, View::Known),
            doubt,
            writing: None,
            embedding: None,
            vector: None,
            held_back: None,
            refused,
            since: now,
            waits_no_longer: false,
            owed,
        }
    }

    /// Takes later news in; the earlier settles if the later one holds the whole row, and at once
    /// unless its write is under way: who goes on from its offset must know that it may still arrive.
    pub(super) fn supersede(
        &mut self,
        change: KeyChange,
        savings: &mut Savings,
        out: &mut Vec<Action>,
    ) {
        self.waits_no_longer = false;
        if let Some(refused) = Refused::of(&change) {
            self.refused = Some(refused);
        }
        let earlier = std::mem::replace(&mut self.news, News::of(change));
        let position = earlier.from.position;
        let is_given_up = !earlier.has_text_of(&self.news)
            && self
                .embedding
                .as_ref()
                .is_some_and(|it| !it.wish.is_partly_sent());
        savings.merge(earlier.superseded(is_given_up));
        let news = &mut self.news;
        news.replaces |= earlier.replaces || !earlier.desired.is_same(&news.desired);
        let superseded = earlier.from.hand_on(&mut news.from, &news.desired);
        match &mut self.writing {
            Some(write) if write.position == position => write.superseded.extend(superseded),
            _ => {
                for ack in superseded {
                    out.push(Action::superseded(ack));
                }
            }
        }
    }

    /// What is observed, as far as the news at hand may rely on it: of a created row over a point
    /// from before, only the vector; see [`Creation`].
    pub(super) fn observed(&self, observed: &Observed) -> Observed {
        let from = &self.news.from;
        let created = from.creation.offset(from.position.offset);
        match observed.clone() {
            // An unknown offset is of another partition: as good as from before.
            Observed::Present(present)
                if created.is_some() && present.written.offset() < created =>
            {
                Observed::Present(Present {
                    payload: None,
                    ..present
                })
            }
            observed => observed,
        }
    }

    /// Takes in what was found in the index.
    pub(super) fn look(&mut self, found: Observed) {
        self.view = View::Known(match self.doubt {
            Some(doubt) => found.doubted(doubt),
            None => found,
        });
    }

    pub(super) fn vector_text(&self) -> Option<TextHash> {
        self.vector.as_ref().map(|(text, _)| *text)
    }

    /// Why the text of the news at hand can't be embedded, if that is known.
    pub(super) fn refused(&self) -> Option<&Refused> {
        let Desired::Row(document) = &self.news.desired else {
            return None;
        };
        let refused = self.refused.as_ref();
        refused.filter(|refused| refused.text == document.text_hash)
    }

    /// Whether it can't.
    pub(super) fn is_refused(&self) -> bool {
        self.refused().is_some()
    }

    pub(super) fn on_embedded(&mut self, ticket: Ticket, outcome: Result<PointVector, Failure>) {
        let Some(embedding) = self
            .embedding
            .take_if(|embedding| embedding.ticket == ticket)
        else {
            return;
        };
        match outcome {
            Ok(vector) => self.vector = Some((embedding.text, vector)),
            Err(failure) => {
                self.refused = Some(Refused {
                    text: embedding.text,
                    stage: "embed",
                    failure,
                });
            }
        }
    }

    /// `Err` when the news at hand is what the index refused.
    pub(super) fn on_written(
        &mut self,
        outcome: WriteOutcome,
        observe: impl FnOnce(&PointState) -> Observed,
        out: &mut Vec<Action>,
    ) -> Result<(), Failure> {
        let Some(write) = self.writing.take() else {
            return Ok(());
        };
        let settled = match outcome {
            WriteOutcome::Applied if !write.is_doubtful => write.settles_late_as,
            _ => Settled::Superseded,
        };
        let superseded = write.superseded.into_iter();
        out.extend(superseded.map(|ack| Action::Settle { ack, settled }));
        let of_this_news = write.position == self.news.from.position;
        match outcome {
            WriteOutcome::Applied if write.is_doubtful => self.view = View::Unknown,
            WriteOutcome::Applied => {
                self.view = View::Known(write.becomes);
                self.owed = write.owes;
                self.doubt = None;
                if let Some(kind) = write.shows {
                    out.push(Action::Visible {
                        position: write.position,
                        kind,
                    });
                }
                if of_this_news {
                    self.news.settles_as = write.settles_as;
                }
            }
            WriteOutcome::NotApplied(state) => {
                self.look(observe(&state));
                self.owed = None;
            }
            WriteOutcome::Fenced => self.view = View::Unknown,
            WriteOutcome::Refused(failure) if of_this_news => return Err(failure),
            WriteOutcome::Refused(_) => {}
        }
        Ok(())
    }

    /// Whether the key waits for nothing but its vector since `then`, and the text is not on its way. A
    /// debt holds up no offset, and is parked already.
    pub(super) fn may_park(&self, then: Instant) -> bool {
        let waits = match &self.embedding {
            Some(embedding) => !embedding.is_under_way(),
            None => self.held_back.is_some(),
        };
        let is_debt = self.news.from.ack.is_debt();
        waits && self.since <= then && self.writing.is_none() && !self.waits_no_longer && !is_debt
    }

    /// From now on the text is not waited for.
    pub(super) fn park(&mut self) {
        self.waits_no_longer = true;
    }

    /// Whether the point says that the text of the news at hand is owed.
    pub(super) fn is_owed(&self) -> bool {
        matches!(self.view, View::Known(Observed::Present(_)))
            && matches!(&self.news.desired, Desired::Row(document) if self.owed == Some(document.text_hash))
    }

    /// Whether the text of the news at hand is not to be waited for, and the point says that it is owed.
    pub(super) fn is_parked(&self) -> bool {
        self.is_to_be_parked() && self.is_owed()
    }

    /// Whether the text of the news at hand is not to be waited for, and the point is to say that it
    /// is owed.
    pub(super) fn is_to_be_parked(&self) -> bool {
        self.waits_no_longer && !self.is_refused()
    }

    /// Notes that a text waits. Returns when it is due, and whether that is another time than
    /// before.
    pub(super) fn hold_text(
        &mut self,
        text: TextHash,
        now: Instant,
        due: impl Fn(&Debounce) -> Instant,
    ) -> (Instant, bool) {
        let Some((held, debounce)) = &mut self.held_back else {
            let debounce = Debounce::new(now);
            self.held_back = Some((text, debounce));
            return (due(&debounce), true);
        };
        let before = due(debounce);
        if *held != text {
            *held = text;
            debounce.touch(now);
        }
        let after = due(debounce);
        (after, after != before)
    }

    /// The key needs no vector any more.
    pub(super) fn forget_text(&mut self, embeddings: &mut HashMap<Ticket, PointId>) {
        self.forget_embedding(embeddings);
        self.held_back = None;
        self.vector = None;
    }

    /// The key needs no vector of the text on its way: if it isn't sent yet, it won't be.
    pub(super) fn forget_embedding(&mut self, embeddings: &mut HashMap<Ticket, PointId>) {
        if let Some(embedding) = self.embedding.take() {
            embeddings.remove(&embedding.ticket);
        }
    }

    pub(super) fn count_version_conflict(&mut self, observed: &Observed, out: &mut Vec<Action>) {
        let (Desired::Row(document), Observed::Present(present)) = (&self.news.desired, observed)
        else {
            return;
        };
        let version = document.version.map(ShortVersion::of);
        let same_version = version.is_some() && version == present.version;
        let same_content = present.payload == Some(document.payload_hash.short());
        if same_version && !same_content && !self.news.version_counted {
            self.news.version_counted = true;
            out.push(Action::VersionConflict);
        }
    }

    /// Whether the news is a debt, and the point not what owed it any more.
    pub(super) fn is_debt_of_another_time(&self, observed: &Observed) -> bool {
        let offset = observed.written().and_then(Written::offset);
        self.news.from.ack.is_debt() && offset != Some(self.news.from.position.offset)
    }

    /// What the point is to say about its making.
    pub(super) fn stored(
        &self,
        document: &Document,
        partition: &TopicPartition,
        fingerprint: &Fingerprint,
    ) -> Stored {
        Stored {
            topic: partition.topic.clone(),
            partition: partition.partition,
            position: self.news.from.position,
            key: self.key.as_str().into(),
            text_hash: Some(document.text_hash),
            wanted: None,
            payload_hash: document.payload_hash,
            fingerprint: fingerprint.shared(),
            version: document.version,
            source_columns: document.source_columns.clone(),
            parked: None,
        }
    }

    /// What is left of the point once its row is gone.
    pub(super) fn tombstone(&self, partition: &TopicPartition, now_ms: i64) -> Tombstone {
        Tombstone {
            topic: partition.topic.clone(),
            partition: partition.partition,
            position: self.news.from.position,
            key: self.key.as_str().into(),
            deleted_ms: now_ms,
        }
    }

    pub(super) fn into_dead_letter(
        self,
        stage: &'static str,
        failure: Failure,
        out: &mut Vec<Action>,
    ) {
        let from = self.news.from;
        out.push(Action::DeadLetter {
            raw: from.raw,
            ack: from.ack,
            earlier: earlier_acks(from.creation, from.completion).collect(),
            stage,
            failure,
        });
    }
}

/// The acknowledgements of earlier records that settle with the news that carries them.
pub(super) fn earlier_acks(
    creation: Creation,
    completion: Completion,
) -> impl Iterator<Item = Ack> {
    creation
        .into_ack()
        .into_iter()
        .chain(completion.into_acks())
}
