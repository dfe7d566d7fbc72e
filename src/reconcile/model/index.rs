//! The index of the model, which carries writes out under their fences.

use super::*;

/// A point of the model's index.
#[derive(Debug, Clone)]
pub(in super::super) struct ModelPoint {
    pub(in super::super) epoch: Epoch,
    pub(in super::super) content: Content,
    pub(in super::super) payload: Payload,
    pub(in super::super) vector_of: Option<TextHash>,
}

impl ModelPoint {
    pub(in super::super) fn offset(&self) -> Offset {
        match &self.content {
            Content::Row(row) => row.position.offset,
            Content::Tombstone(gone) => gone.position.offset,
        }
    }

    pub(in super::super) fn source(&self) -> Option<SourcePosition> {
        match &self.content {
            Content::Row(row) => row.position.source,
            Content::Tombstone(gone) => gone.position.source,
        }
    }

    pub(in super::super) fn stored(&self) -> &Stored {
        match &self.content {
            Content::Row(row) => row,
            Content::Tombstone(_) => panic!("it is a tombstone"),
        }
    }

    pub(in super::super) fn is_row(&self) -> bool {
        matches!(self.content, Content::Row(_))
    }
}

/// The text whose vector a patch keeps, if there is one.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Kept(Option<TextHash>);

impl World {
    pub(in super::super) fn state(&self, point: &PointId) -> PointState {
        self.index
            .get(point)
            .map_or(PointState::Absent, |point| PointState::Ours {
                epoch: Some(point.epoch),
                content: point.content.clone(),
            })
    }

    /// What a patch that keeps the vector finds.
    pub(in super::super) fn read_vector(&self, write: &Write) -> Result<Kept, Box<PointState>> {
        let Write::PatchPayload {
            point, kept_text, ..
        } = write
        else {
            panic!("{write:?}")
        };
        let found = self.index.get(point).filter(|found| found.is_row());
        let found = found.filter(|found| found.stored().text_hash == *kept_text);
        found
            .map(|found| Kept(found.vector_of))
            .ok_or_else(|| Box::new(self.state(point)))
    }

    /// Carries a write out as the index does, under its fence.
    pub(in super::super) fn apply(
        &mut self,
        epoch: Epoch,
        write: &Write,
        kept: Option<Kept>,
    ) -> WriteOutcome {
        let point = write.point();
        let before = self.index.get(&point).cloned();
        let is_fenced = before.as_ref().is_some_and(|before| before.epoch > epoch);
        if let Some(Expected::Offset(offset)) = write.expected()
            && before.as_ref().map(ModelPoint::offset) != Some(*offset)
        {
            return WriteOutcome::NotApplied(self.state(&point));
        }
        let after = match write {
            Write::Delete { tombstone, .. } => ModelPoint {
                epoch,
                content: Content::Tombstone((**tombstone).clone()),
                payload: Payload::default(),
                vector_of: None,
            },
            Write::Upsert {
                vector,
                payload,
                stored,
                ..
            } => {
                let text = stored.text_hash;
                let of_text = text.map(|text| {
                    let numbers = text.to_string();
                    numbers.bytes().map(f32::from).collect::<Vector>().into()
                });
                assert_eq!(
                    *vector, of_text,
                    "a vector is written with the hash of its own text"
                );
                ModelPoint {
                    epoch,
                    content: Content::Row((**stored).clone()),
                    payload: payload.clone(),
                    vector_of: text,
                }
            }
            Write::PatchPayload {
                payload,
                stored,
                kept_text,
                ..
            } => {
                // Patches are read back.
                if is_fenced {
                    return WriteOutcome::Fenced;
                }
                let is_as_thought =
                    |found: &&ModelPoint| found.is_row() && found.stored().text_hash == *kept_text;
                let Some(before) = before.as_ref().filter(is_as_thought) else {
                    return WriteOutcome::NotApplied(self.state(&point));
                };
                ModelPoint {
                    epoch,
                    content: Content::Row((**stored).clone()),
                    payload: payload.clone(),
                    vector_of: kept.map_or(before.vector_of, |Kept(text)| text),
                }
            }
        };
        if is_fenced {
            // Whoever upserts is told that all is well.
            return WriteOutcome::Applied;
        }
        // What a former owner writes before the owner has touched the point is read again, as after
        // any restart.
        let is_stale = self.claimed.is_some_and(|claimed| epoch < claimed.epoch);
        let taken_over_at = Offset(i64::try_from(self.taken_over_at).unwrap());
        let shown = self.shown.entry(point).or_insert(after.offset());
        // So is what was shown and had not settled: a debt from before may be paid first.
        let is_read_again = after.offset() >= taken_over_at || *shown >= taken_over_at;
        assert!(
            *shown <= after.offset() || is_stale || is_read_again,
            "no state is shown that is older than one shown before"
        );
        *shown = after.offset().max(*shown);
        self.index.insert(point, after);
        WriteOutcome::Applied
    }
}
