//! What members and commands are told.

use std::time::Duration;

use crate::{
    cluster::{BUNDLES, GROUP, LETTERS, PRODUCTS},
    oracle::DIMENSIONS,
    workload::Row,
};

/// The session timeout of a [quick](Pace::Quick) member. Brokers ask for 6 s or more; the embedded ones take any.
pub(crate) const SESSION: Duration = Duration::from_secs(3);

/// The vector's name.
pub(crate) const VECTOR: &str = "text";

/// Where the servers are, as far as somebody is told.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) kafka: String,
    pub(crate) index: String,
    pub(crate) embed: String,
    /// The way to it. Its own address is the same for everybody: vectors of another one are another model's.
    pub(crate) embed_proxy: Option<String>,
    pub(crate) registry: String,
}

/// How long everything may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Short timeouts and small batches, so that more happens in less time.
    Quick,
    /// As everybody has it who configures nothing.
    Default,
}

/// The sections of a quick member, each with the name of its place in the template.
const QUICK: [(&str, &str); 5] = [
    (
        "kafka",
        r#"session_timeout = "3s"
[kafka.properties]
"reconnect.backoff.ms" = "50"
"reconnect.backoff.max.ms" = "500"
"socket.timeout.ms" = "3000"
"#,
    ),
    (
        "registry",
        r#"timeout = "2s"
retry_initial = "50ms"
retry_max = "500ms"
"#,
    ),
    (
        "embed",
        r#"requests_per_minute = 0
timeout = "2s"
concurrency = 4
batch_inputs = 8
retry_initial = "50ms"
retry_max = "500ms"
"#,
    ),
    (
        "index",
        r#"timeout = "2s"
batch_points = 16
tombstone_retention = "40s"
retry_initial = "50ms"
retry_max = "500ms"
"#,
    ),
    (
        "",
        r#"[window]
quiet = "100ms"
max_hold = "1s"
[commit]
interval = "100ms"
[pipeline]
budget = "16MiB"
drain_timeout = "2s"
shutdown_timeout = "3s"
# A seed may have as many faulty records as a broken table has.
[dead_letter.breaker]
percent = 0
"#,
    ),
];

/// The file for somebody who reaches the servers there.
pub(crate) fn configuration(addresses: &Addresses, pace: Pace) -> String {
    let quick = |section: &str| match pace {
        Pace::Quick => QUICK
            .iter()
            .find(|it| it.0 == section)
            .map_or("", |it| it.1),
        Pace::Default => "",
    };
    let Addresses {
        kafka,
        index,
        embed,
        embed_proxy,
        registry,
    } = addresses;
    let embed_proxy = embed_proxy.as_ref();
    let embed_proxy = embed_proxy.map(|it| format!("[embed.proxy]\nurl = \"http://{it}\""));
    let embed_proxy = embed_proxy.unwrap_or_default();
    format!(
        r#"
[kafka]
brokers = "{kafka}"
group = "{GROUP}"
topics = ["{products}", "{bundles}"]
{of_kafka}
[registry]
urls = ["{registry}"]
{of_registry}
[document]
template = "{template}"
[[tables]]
topics = ["{bundles}"]
collection = "{bundles_collection}"
[embed]
url = "http://{embed}/v1"
dimensions = {DIMENSIONS}
{of_embed}
{embed_proxy}
[index]
url = "http://{index}"
collection = "{products_collection}"
vector = "{VECTOR}"
{of_index}
[dead_letter]
topic = "{LETTERS}"
create_topic = false
[admin]
address = "127.0.0.1:0"
[log]
level = "info,vectide=debug"
{others}
"#,
        products = PRODUCTS.topic,
        products_collection = PRODUCTS.collection,
        bundles = BUNDLES.topic,
        bundles_collection = BUNDLES.collection,
        template = Row::TEMPLATE,
        of_kafka = quick("kafka"),
        of_registry = quick("registry"),
        of_embed = quick("embed"),
        of_index = quick("index"),
        others = quick(""),
    )
}
