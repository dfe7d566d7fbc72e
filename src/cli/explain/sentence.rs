//! The last line of the story: what would happen now, and why.

use crate::{index::Bookkeeping, reconcile::Plan, record::Value};

use super::{
    super::inspect::Length,
    difference::Difference,
    report::Report,
    verdict::{Reason, Verdict, written_by},
};

impl Report {
    /// What would happen now, and why.
    pub(super) fn verdict_text(&self) -> String {
        let mut text = self.action_text();
        if !self.verdict.differs() {
            return text;
        }
        text += if self.is_unsettled() {
            "; this is pending"
        } else if self.is_owed() {
            "; this is pending: the row is parked, and its vector is bought when the embedding endpoint has time for it"
        } else if matches!(self.verdict, Verdict::DeadLetter(_)) {
            "; nothing is pending: the record went to the dead letters (`vectide dlq list`): mend the cause, then `vectide dlq replay`, or touch the row"
        } else {
            "; nothing is pending: `vectide audit --repair` mends it, or the row's next change"
        };
        text
    }

    fn action_text(&self) -> String {
        let last = self.records.last().map(|record| &record.place);
        let last = last.map_or_else(String::new, ToString::to_string);
        match &self.verdict {
            Verdict::NoRecord if self.looked.is_complete() => {
                "nothing: Kafka has no record of the row any more".to_owned()
            }
            Verdict::NoRecord => {
                "unknown: the row's last record is further back; look there with --scan".to_owned()
            }
            Verdict::Replay => {
                let by = self.point.as_ref().and_then(written_by);
                let later = by.map_or_else(String::new, |(topic, partition, offset)| {
                    format!(", {topic}/{partition}@{offset}")
                });
                format!("nothing: {last} is a replay, the index reflects a later record{later}")
            }
            Verdict::Nothing => self.nothing_text(&last),
            Verdict::Act {
                plan,
                reasons,
                differences,
            } => {
                let reasons: Vec<String> = reasons
                    .iter()
                    .map(|reason| reason_text(reason, differences))
                    .collect();
                format!("{}: {}", plan_text(*plan), reasons.join("; "))
            }
            Verdict::Altered(differences) => format!(
                "nothing: by its hashes the index reflects {last}; but somebody else changed the point: {}",
                fields_text(differences)
            ),
            Verdict::DeadLetter(failure) => {
                format!(
                    "dead-letter {last}: {}: {}",
                    failure.reason, failure.message
                )
            }
            Verdict::Hold(failure) => format!("hold {last}: {}", failure.message),
        }
    }

    fn nothing_text(&self, last: &str) -> String {
        let Some(point) = &self.point else {
            return "nothing: the row is gone, and so is its point".to_owned();
        };
        if matches!(point.bookkeeping, Bookkeeping::Tombstone(_)) {
            return "nothing: the row is gone, and the point stands for that".to_owned();
        }
        match written_by(point) {
            Some((topic, partition, offset)) if last != format!("{topic}/{partition}@{offset}") => {
                format!(
                    "nothing: text and payload of {last} are those of the point, as of {topic}/{partition}@{offset}"
                )
            }
            _ => format!("nothing: the index reflects {last}"),
        }
    }
}

/// What a plan is called for programs.
pub(super) fn plan_label(plan: Plan) -> &'static str {
    match plan {
        Plan::Nothing => "nothing",
        Plan::Delete => "delete",
        Plan::Patch => "patch",
        Plan::PatchThenEmbed => "patch_then_embed",
        Plan::Embed => "embed",
        Plan::Upsert => "upsert",
    }
}

fn plan_text(plan: Plan) -> &'static str {
    match plan {
        Plan::Nothing => "nothing",
        Plan::Delete => "delete the point",
        Plan::Patch => "patch the payload",
        Plan::PatchThenEmbed => "patch the payload, then embed and upsert",
        Plan::Embed => "embed and upsert",
        Plan::Upsert => "upsert",
    }
}

fn reason_text(reason: &Reason, differences: &[Difference]) -> String {
    match reason {
        Reason::Gone => "the row is gone".to_owned(),
        Reason::Truncated => "the table was truncated after the row's last change".to_owned(),
        Reason::NoPoint => "the index has no point of the row".to_owned(),
        Reason::Foreign => "somebody else wrote the point".to_owned(),
        Reason::OtherModel(model) => format!("the vector is of another model, {model}"),
        Reason::Text => "the text differs".to_owned(),
        Reason::NoVector => "the point has no vector of the configured model yet".to_owned(),
        Reason::Payload => match fields_text(differences) {
            fields if fields.is_empty() => {
                "the payload's hash differs, though no field does: the configuration has changed"
                    .to_owned()
            }
            fields => fields,
        },
        Reason::CreatedSince => {
            "the row was deleted and created since the point was written".to_owned()
        }
    }
}

/// `stock 3 -> 0, title "Tent" -> "Tarp"`: from what the index says to what the table says.
fn fields_text(differences: &[Difference]) -> String {
    let value = |value: &Option<Value>| match value {
        Some(value) => Length::Cut.value(value),
        None => "absent".to_owned(),
    };
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| {
            let Difference {
                field,
                index,
                table,
                is_ignored,
            } = difference;
            let note = if *is_ignored { " (ignored)" } else { "" };
            format!("{field} {} -> {}{note}", value(index), value(table))
        })
        .collect();
    fields.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_from_what_the_index_says_to_what_the_table_says() {
        let difference = |index, table, is_ignored| Difference {
            field: "stock".to_owned(),
            index,
            table,
            is_ignored,
        };
        let differences = [
            difference(Some(Value::Int(3)), Some(Value::Int(0)), false),
            difference(None, Some(Value::String("x".into())), true),
        ];
        assert_eq!(
            fields_text(&differences),
            "stock 3 -> 0, stock absent -> \"x\" (ignored)"
        );
    }
}
