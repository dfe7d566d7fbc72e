//! A sample of real records: read as the pipeline reads them.

use crate::{
    cli::{
        inspect::{Interpreter, News, Outcome, Schemas},
        run::Signals,
        selection::Records,
    },
    config::Config,
};

use super::sample::{Found, Sample};

/// Looks at up to `limit` records.
pub(super) async fn sample(
    config: &Config,
    mut records: Records,
    limit: u64,
) -> anyhow::Result<Sample> {
    let mut interpreter = Interpreter::new(config)?;
    let mut schemas = Schemas::new(&config.registry)?;
    let mut signals = Signals::listen()?;
    let quiet_ms = i64::try_from(config.window.quiet.as_millis()).unwrap_or(i64::MAX);
    let mut sample = Sample::new(config.embed.chunking());
    for _ in 0..limit {
        let raw = tokio::select! {
            raw = records.next() => raw?,
            _ = signals.next() => None,
        };
        let Some(raw) = raw else { break };
        let record = match schemas.teach(&mut interpreter, &raw).await {
            Ok(()) => interpreter.understand(&raw),
            Err(failure) => interpreter.unreadable(&raw, failure),
        };
        let is_snapshot = record.operation() == "snapshot";
        let at_ms = record.timestamp_ms.unwrap_or(0);
        let Ok(key) = &record.key else {
            sample.unknown += u64::from(matches!(record.news, News::Row(_)));
            continue;
        };
        let key = format!("{}{}", record.place.topic, key.as_str());
        match &record.news {
            News::Row(news) => match &news.outcome {
                Outcome::Document(document) => {
                    let found = if is_snapshot {
                        Found::Standing
                    } else {
                        Found::Changed(at_ms)
                    };
                    sample.add(&key, document, found, quiet_ms);
                }
                Outcome::Incomplete(_) | Outcome::Refused(_) => sample.unknown += 1,
            },
            News::Gone { .. } => sample.remove(&key, at_ms, quiet_ms),
            News::Truncate | News::Skip(_) | News::Unreadable(_) => {}
        }
    }
    sample.finish();
    Ok(sample)
}
