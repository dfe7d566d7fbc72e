//! One record: for people, and as JSON for programs.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value as Json, json};

use crate::{
    error::{Disposition, Failure},
    record::{Payload, PointId, Position, RowKey, Value},
};

use super::{
    super::layout::align,
    columns::type_name,
    show::{Length, time},
    understood::{News, Outcome, Understood},
};

impl Understood {
    /// Some lines for people.
    pub(super) fn to_text(&self, length: Length) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let key = self.key.as_ref().map_or("no key", |key| key.as_str());
        let operation = self.operation();
        writeln!(text, "{}  {operation}  {}", self.place, length.line(key))?;
        let mut facts = vec![("table", length.line(self.table()))];
        if let Some(Ok(point)) = self.point() {
            facts.push(("point", point.to_string()));
        }
        facts.push(("position", self.position_text()));
        let look = &self.look;
        facts.push((
            "encoding",
            format!("key {}; value {}", look.key, look.value),
        ));
        if let Some(failure) = self.failure() {
            let Failure {
                reason, message, ..
            } = failure;
            let name = if failure.disposition == Disposition::Blocked {
                "blocks"
            } else {
                "fails"
            };
            facts.push((name, format!("{reason}: {}", Length::Full.line(message))));
        }
        let facts: Vec<Vec<String>> = facts
            .into_iter()
            .map(|(name, fact)| vec![name.to_owned(), fact])
            .collect();
        align(&mut text, "  ", &facts)?;
        let News::Row(news) = &self.news else {
            return Ok(text);
        };
        let columns: Vec<Vec<String>> = news
            .row
            .columns()
            .iter()
            .map(|(name, value)| {
                let name = length.line(name);
                vec![name, type_name(value).to_owned(), length.value(value)]
            })
            .collect();
        writeln!(text, "  columns")?;
        align(&mut text, "    ", &columns)?;
        match &news.outcome {
            Outcome::Document(document) => {
                writeln!(text, "  text")?;
                for line in document.text.lines() {
                    writeln!(text, "    {}", length.line(line))?;
                }
                let payload = payload(&document.payload).to_string();
                writeln!(text, "  payload\n    {}", length.line(&payload))?;
            }
            Outcome::Incomplete(columns) => {
                let columns = length.line(&columns.join(", "));
                writeln!(
                    text,
                    "  text and payload are made with what an earlier record or the index has of: {columns}"
                )?;
            }
            Outcome::Refused(_) => {}
        }
        Ok(text)
    }

    /// One object, with everything in full.
    pub(in crate::cli) fn to_json(&self) -> Json {
        let position = self.position();
        let mut json = json!({
            "topic": self.place.topic,
            "partition": self.place.partition,
            "offset": self.place.offset.0,
            "timestamp_ms": self.timestamp_ms,
            "table": self.table(),
            "operation": self.operation(),
            "key": self.key.as_ref().ok().map(RowKey::as_str),
            "point": self.point().and_then(Result::ok).map(|it| it.to_string()),
            "commit_ms": position.and_then(|it| it.commit_ms),
            "log_position": position.and_then(log_position),
            "key_encoding": self.look.key.to_string(),
            "value_encoding": self.look.value.to_string(),
        });
        let mut add = |name: &str, value| {
            if let Some(object) = json.as_object_mut() {
                object.insert(name.to_owned(), value);
            }
        };
        if let News::Row(news) = &self.news {
            let columns: Map<String, Json> = news
                .row
                .columns()
                .iter()
                .map(|(name, value)| {
                    let column = json!({"type": type_name(value), "value": value_json(value)});
                    (name.to_string(), column)
                })
                .collect();
            add("columns", columns.into());
            match &news.outcome {
                Outcome::Document(document) => {
                    add("text", json!(document.text));
                    add("payload", payload(&document.payload));
                }
                Outcome::Incomplete(columns) => add("incomplete", json!(columns)),
                Outcome::Refused(_) => {}
            }
        }
        if let Some(failure) = self.failure() {
            add(
                "failure",
                json!({
                    "reason": failure.reason,
                    "message": failure.message,
                    "blocks": failure.disposition == Disposition::Blocked,
                }),
            );
        }
        json
    }

    fn point(&self) -> Option<Result<PointId, &Failure>> {
        match &self.news {
            News::Row(news) => Some(news.point.as_ref().copied()),
            News::Gone { point, .. } => Some(point.as_ref().copied()),
            News::Truncate | News::Skip(_) | News::Unreadable(_) => None,
        }
    }

    pub(in crate::cli) fn position(&self) -> Option<&Position> {
        match &self.news {
            News::Row(news) => Some(&news.position),
            News::Gone { position, .. } => Some(position),
            News::Truncate | News::Skip(_) | News::Unreadable(_) => None,
        }
    }

    /// When the record came to Kafka, and where and when the database committed it.
    pub(in crate::cli) fn position_text(&self) -> String {
        let position = self.position();
        times(
            self.timestamp_ms,
            position.and_then(|it| it.commit_ms),
            position.and_then(log_position),
        )
    }
}

/// `in Kafka since …, committed …, log position …`, as far as it is known.
pub(in crate::cli) fn times(
    timestamp_ms: Option<i64>,
    commit_ms: Option<i64>,
    log_position: Option<i64>,
) -> String {
    let mut text = match timestamp_ms {
        Some(milliseconds) => format!("in Kafka since {}", time(milliseconds)),
        None => "in Kafka".to_owned(),
    };
    if let Some(committed) = commit_ms {
        let _ = write!(text, ", committed {}", time(committed));
    }
    if let Some(log) = log_position {
        let _ = write!(text, ", log position {log}");
    }
    text
}

fn log_position(position: &Position) -> Option<i64> {
    position.source.map(|position| position.0)
}

/// As the index would have it.
pub(in crate::cli) fn payload(payload: &Payload) -> Json {
    let fields = payload.fields().iter();
    fields
        .map(|(name, value)| (name.to_string(), value.clone().into_json()))
        .collect::<Map<_, _>>()
        .into()
}

/// A decimal is a text here, so that none of its digits is lost.
fn value_json(value: &Value) -> Json {
    match value {
        Value::Null | Value::Unavailable => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Decimal(text) | Value::String(text) => json!(text),
        Value::Json(json) => (**json).clone(),
    }
}
