//! Traces of records, as a collector gets them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use vectide::app::App;

use crate::shop::{Shop, envelope, key, local, row, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Takes traces in, or says nothing.
#[derive(Clone, Default)]
struct Collector {
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    token: Arc<Mutex<Option<String>>>,
    hangs: bool,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let token = request.metadata().get("x-token");
        *self.token.lock().unwrap() = token.map(|it| it.to_str().unwrap().to_owned());
        self.taken.lock().unwrap().push(request.into_inner());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts it, for as long as the guard is there, and has the shop's members send to it.
    async fn start(&self, shop: &mut Shop, ratio: f64) -> DropGuard {
        let listener = TcpListener::bind(local()).await.unwrap();
        shop.config.traces.endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        shop.config.traces.ratio = ratio;
        let until = CancellationToken::new();
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener),
                until.clone().cancelled_owned(),
            );
        tokio::spawn(serving);
        until.drop_guard()
    }

    fn requests(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// All spans, by their traces.
    fn traces(&self) -> Vec<Vec<Span>> {
        let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
        let taken = self.taken.lock().unwrap().clone();
        let resources = taken.into_iter().flat_map(|request| request.resource_spans);
        for scope in resources.flat_map(|resource| resource.scope_spans) {
            for span in scope.spans {
                traces.entry(span.trace_id.clone()).or_default().push(span);
            }
        }
        traces.into_values().collect()
    }
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// The record's own span.
fn record(trace: &[Span]) -> &Span {
    let mut own = trace.iter().filter(|span| span.name == "record");
    let record = own.next().expect("a trace has its record");
    assert!(own.next().is_none(), "one trace a record");
    record
}

fn named<'a>(trace: &'a [Span], name: &str) -> &'a Span {
    let mut spans = trace.iter();
    let found = spans.find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {trace:?}"))
}

fn settled(trace: &[Span]) -> String {
    text(&record(trace).attributes, "vectide.settled").unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

fn dropped(app: &App, reason: &str) -> bool {
    let page = app.metrics().encode(app.health()).unwrap();
    page.contains(&format!(
        "vectide_traces_dropped_total{{reason=\"{reason}\"}}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_traced_from_the_poll_until_it_is_visible() {
    let (mut shop, collector) = (Shop::open().await, Collector::default());
    let _serving = collector.start(&mut shop, 1.0).await;
    shop.config.traces.instance = Some("member-1".into());
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "let me in\n").unwrap();
    let login = vectide::config::SecretRef::File(secret.path().to_owned());
    shop.config.traces.headers.insert("x-token".into(), login);
    let app = shop.member().await;
    shop.put(1, row("kettle", 5)).await;
    shop.equal().await;
    shop.committed().await;
    let open = app.metrics().encode_open(app.health());
    app.stop().await.unwrap();

    let traces = collector.traces();
    let [trace] = &*traces else {
        panic!("not one trace: {traces:?}");
    };
    assert_eq!(settled(trace), "written");
    let own = record(trace);
    assert!(own.parent_span_id.is_empty());
    assert_eq!(own.kind, SpanKind::Consumer as i32);
    for (name, value) in [
        ("messaging.system", "kafka"),
        ("messaging.destination.name", "shop.public.products"),
        ("messaging.consumer.group.name", "vectide"),
        ("messaging.kafka.offset", "0"),
    ] {
        assert_eq!(text(&own.attributes, name).as_deref(), Some(value));
    }
    let embed = named(trace, "embed");
    for name in ["decode", "window", "wait", "embed", "write"] {
        let part = named(trace, name);
        assert_eq!(part.parent_span_id, own.span_id, "{name}");
        assert!(
            own.start_time_unix_nano <= part.start_time_unix_nano,
            "{name}"
        );
        assert!(
            part.start_time_unix_nano <= part.end_time_unix_nano,
            "{name}"
        );
        assert!(part.end_time_unix_nano <= own.end_time_unix_nano, "{name}");
    }
    let request = named(trace, "embed request");
    assert_eq!(request.parent_span_id, embed.span_id);
    let model = text(&request.attributes, "gen_ai.request.model");
    assert_eq!(model.as_ref(), Some(&shop.config.embed.model));
    let dimensions = text(&request.attributes, "gen_ai.embeddings.dimension.count");
    assert_eq!(dimensions, Some(shop.config.embed.dimensions.to_string()));
    let provider = text(&request.attributes, "gen_ai.provider.name");
    assert_eq!(provider.as_deref(), Some("127.0.0.1"));
    assert_eq!(
        text(&request.attributes, "vectide.embed.texts").unwrap(),
        "1"
    );
    assert!(text(&request.attributes, "gen_ai.usage.input_tokens").is_some());
    let write = named(trace, "write");
    assert_eq!(
        text(&write.attributes, "db.operation.name").unwrap(),
        "upsert"
    );
    let shown = format!("{trace:?}");
    assert!(!shown.contains("kettle"), "no value of a row: {shown}");

    let exemplar = format!("# {{trace_id=\"{}\"}}", hex(&own.trace_id));
    assert!(open.contains(&exemplar), "{open}");
    let taken = collector.taken.lock().unwrap().clone();
    let resource = taken[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(
        text(&resource.attributes, "service.name").unwrap(),
        "vectide"
    );
    assert_eq!(
        text(&resource.attributes, "service.instance.id").unwrap(),
        "member-1"
    );
    assert_eq!(
        collector.token.lock().unwrap().as_deref(),
        Some("let me in")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_recorded_trace_is_a_part_of_it_whatever_the_ratio() {
    let (mut shop, collector) = (Shop::open().await, Collector::default());
    let _serving = collector.start(&mut shop, 0.0).await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 5)).await;
    for (id, flags) in [(2, "00"), (3, "01")] {
        let after = serde_json::json!({"id": id, "title": "pan", "stock": 1});
        let parent = format!("00-{TRACE}-{SPAN}-{flags}");
        let headers: [(&str, &[u8]); 1] = [("traceparent", parent.as_bytes())];
        let (key, value) = (key(id), envelope("c", &after));
        shop.write_with(Some(key.as_bytes()), Some(value.as_bytes()), &headers)
            .await;
        shop.table.insert(id, row("pan", 1));
    }
    shop.equal().await;
    shop.committed().await;
    app.stop().await.unwrap();
    let traces = collector.traces();
    let [trace] = &*traces else {
        panic!("not one trace: {traces:?}");
    };
    let own = record(trace);
    assert_eq!(hex(&own.trace_id), TRACE);
    assert_eq!(hex(&own.parent_span_id), SPAN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_of_records_that_are_not_traced() {
    let (mut shop, collector) = (Shop::open().await, Collector::default());
    let _serving = collector.start(&mut shop, 0.0).await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 5)).await;
    shop.equal().await;
    shop.committed().await;
    app.stop().await.unwrap();
    assert_eq!(collector.requests(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_otherwise_says_how() {
    let (mut shop, collector) = (Shop::open().await, Collector::default());
    let _serving = collector.start(&mut shop, 1.0).await;
    let app = shop.member().await;
    // So that the second title comes while the first waits.
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = true);
    shop.put(1, row("kettle", 5)).await;
    shop.put(1, row("copper kettle", 5)).await;
    until("the first title to be superseded", async || {
        let page = app.metrics().encode(app.health()).unwrap();
        page.contains("vectide_records_settled_total{as=\"superseded\"} 1\n")
    })
    .await;
    shop.embeddings
        .control()
        .update(|behaviour| behaviour.stall = false);
    shop.write(Some(key(2).as_bytes()), Some(b"no record at all"))
        .await;
    shop.equal().await;
    // Each after the other has settled, so that neither supersedes the other.
    shop.delete_without_tombstone(1).await;
    shop.committed().await;
    shop.tombstone(1).await;
    shop.committed().await;
    app.stop().await.unwrap();
    let traces = collector.traces();
    let mut ends: Vec<String> = traces.iter().map(|trace| settled(trace)).collect();
    ends.sort_unstable();
    let expected = [
        "dead_lettered",
        "deleted",
        "superseded",
        "unchanged",
        "written",
    ];
    assert_eq!(ends, expected);
    let letter = traces.iter().find(|it| settled(it) == "dead_lettered");
    let letter = letter.unwrap();
    let status = record(letter).status.clone().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    named(letter, "dead letter");
    let superseded = traces.iter().find(|it| settled(it) == "superseded");
    let status = record(superseded.unwrap()).status.clone();
    assert!(status.is_none_or(|it| it.code != StatusCode::Error as i32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_is_in_nobodys_way() {
    let mut shop = Shop::open().await;
    // Nobody listens there any more.
    let gone = TcpListener::bind(local())
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    shop.config.traces.endpoint = Some(format!("http://{gone}"));
    shop.config.traces.ratio = 1.0;
    let app = shop.member().await;
    shop.put(1, row("kettle", 5)).await;
    shop.equal().await;
    until("traces to be dropped", async || dropped(&app, "not_sent")).await;
    shop.delete(1).await;
    shop.committed().await;
    shop.at_rest().await;
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_does_not_hold_a_shutdown_up() {
    let mut shop = Shop::open().await;
    let collector = Collector {
        hangs: true,
        ..Collector::default()
    };
    let _serving = collector.start(&mut shop, 1.0).await;
    let app = shop.member().await;
    shop.put(1, row("kettle", 5)).await;
    shop.equal().await;
    shop.committed().await;
    until("a request that hangs", async || collector.requests() > 0).await;
    shop.put(2, row("pan", 5)).await;
    shop.equal().await;
    let metrics = app.metrics().clone();
    let health = app.health().clone();
    let stopping = tokio::time::timeout(Duration::from_secs(30), app.stop());
    stopping.await.expect("it stops").unwrap();
    let page = metrics.encode(&health).unwrap();
    assert!(page.contains("vectide_traces_dropped_total"), "{page}");
}
