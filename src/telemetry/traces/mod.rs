//! Traces: what sampled records met on their way, as OpenTelemetry's spans, for a collector.
//!
//! ```text
//! worker ─ sample ─> Root … spans, made by hand when the record settles ─> queue ─> exporter ─> collector
//! ```
//!
//! - `parent` reads where a record's trace began, `sampling` says which records are traced.
//! - `span` makes a span of two instants that the pipeline knows anyway.
//! - `provider` knows what is said of requests for vectors.
//! - `export` has the queue, which is bounded and never waited for, and sends what is in it.

mod export;
mod parent;
mod provider;
mod sampling;
mod span;

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;

pub use export::{Exporting, TracesError};
pub use provider::of_embedding;
pub use span::{Clock, Root, Span};

use self::{parent::Parent, sampling::Sampler};
use super::metrics::TraceMetrics;
use crate::record::RawRecord;

/// Says which records are traced, and takes their traces. A clone is a handle of the same.
#[derive(Debug, Clone)]
pub struct Tracer {
    sampler: Sampler,
    queue: mpsc::Sender<Vec<SpanData>>,
    metrics: TraceMetrics,
}

impl Tracer {
    /// Where the record's trace begins, if it is to be traced: below its parent's span, where its headers
    /// name one that is recorded, else as one of so many.
    pub fn sample(&self, raw: &RawRecord) -> Option<Root> {
        match Parent::of(&raw.headers) {
            Some(parent) => parent.is_sampled.then(|| Root::below(&parent)),
            None => self.sampler.takes(raw).then(Root::new),
        }
    }

    /// Hands a whole trace over, to be sent. Never waits: where too many queue up, it is dropped and
    /// counted.
    pub fn finish(&self, spans: Vec<SpanData>) {
        if self.queue.try_send(spans).is_err() {
            self.metrics.drop_one("queue_full");
        }
    }

    /// Counts a record that would have been traced, but for too many that are.
    pub fn skip(&self) {
        self.metrics.drop_one("too_many");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::{Duration, Instant, SystemTime};

    use super::{export::QUEUE, *};
    use crate::config::TracesConfig;

    /// On this runtime's one thread the exporter does nothing meanwhile, so that whoever waited for room in the
    /// queue would wait for ever.
    #[tokio::test]
    async fn a_full_queue_drops_traces_and_holds_nobody_up() {
        // It takes connections, and says nothing.
        let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = TracesConfig {
            endpoint: Some(format!("http://{}", collector.local_addr().unwrap())),
            ..TracesConfig::default()
        };
        let registry = prometheus::Registry::new();
        let metrics = TraceMetrics::register(&registry).unwrap();
        let (exporting, tracer) = Exporting::start(&config, &metrics).unwrap().unwrap();
        let (root, now) = (Root::new(), Instant::now());
        let clock = Clock::new(now, SystemTime::now());
        for _ in 0..QUEUE + 500 {
            tracer.finish(vec![Span::of_record(&root, now).end(now, &clock)]);
        }
        assert_eq!(metrics.dropped("queue_full"), 500);
        // Nor does what hangs keep the program from stopping.
        exporting.stop(Duration::from_millis(50)).await;
        assert_eq!(metrics.dropped("shutdown"), 1);
    }
}
