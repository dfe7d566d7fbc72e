//! A sample of rows in a file: one JSON object a line, or one text.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use serde_json::Value as Json;

use crate::{
    capture::Lines,
    config::Config,
    document::DocumentBuilder,
    record::{Document, PayloadHash, Row, RowKey, TextHash, Value},
};

use super::sample::{Found, Sample};

/// Looks at up to `limit` rows. Each counts for one of its own.
pub(super) fn sample(config: &Config, path: &Path, limit: u64) -> anyhow::Result<Sample> {
    let mut builder =
        DocumentBuilder::new(&config.document, config.window.version_column.as_deref())?;
    let mut lines = Lines::open(path)?;
    let mut sample = Sample::new(config.embed.chunking());
    let mut count = 0;
    while count < limit
        && let Some(line) = lines.next()
    {
        let line = line?;
        count += 1;
        let key = RowKey::from_canonical(format!("[{count}]"));
        let document = document(&mut builder, &key, &line).with_context(|| lines.place())?;
        sample.add(key.as_str(), &document, Found::Standing, 0);
    }
    Ok(sample)
}

fn document(builder: &mut DocumentBuilder, key: &RowKey, line: &[u8]) -> anyhow::Result<Document> {
    let text = str::from_utf8(line).context("this is not valid UTF-8")?;
    match serde_json::from_str(text).context("this is no JSON")? {
        Json::String(text) if !text.trim().is_empty() => Ok(Document {
            text_hash: TextHash::of_text(&text),
            text: text.into(),
            payload: crate::record::Payload::default(),
            payload_hash: PayloadHash::of(&[]),
            source_columns: crate::record::Payload::default(),
            version: None,
        }),
        Json::String(_) => bail!("the text is empty"),
        Json::Object(fields) => {
            let columns = fields
                .into_iter()
                .map(|(name, value)| (Arc::from(name), value_of(value)));
            Ok(builder.build_with_text(key, &Row::new(columns.collect()))?)
        }
        _ => {
            bail!("this is neither a row, as {{\"title\": \"Kettle\"}}, nor a text, as \"Kettle\"")
        }
    }
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Decimal(number.to_string().into()),
        },
        Json::String(text) => Value::String(text.into()),
        nested => Value::from_json(nested),
    }
}
