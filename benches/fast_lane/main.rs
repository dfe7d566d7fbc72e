//! What the fast lane and the replay promise: `cargo bench --bench fast_lane`.
//!
//! | scenario | what happens |
//! |---|---|
//! | idle | single flips of a stock, and single deletes, while nothing else happens |
//! | stalled | the same, hundreds a second, while the embedding endpoint holds the texts of all rows |
//! | parked | more texts than memory has room for, flips and deletes among them, and a kill in the middle |
//! | replay | a topic is read again by a group that knows nothing, after the tombstones were swept |
//!
//! The first two measure from just before the producer's `send` until Qdrant shows the change to
//! another client, which asks every millisecond or two. The replay is watched by a client that
//! looks for deleted and for older rows all the while; it is repeated with topics of several sizes.
//!
//! Vectide runs in a process that does nothing else, so that its time and memory can be told from
//! everybody else's; so do Kafka, Qdrant and the embedding endpoint. The benchmark fails where
//! something is bought, written or seen that must not be, or takes more memory than is promised; never
//! because of a speed.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "prints what it measures, and has no readers from outside"
)]

mod endpoint;
mod idle;
mod member;
mod parked;
mod replay;
mod report;
mod scale;
mod shop;
mod sighting;
mod stalled;
mod view;
mod watcher;

#[path = "../end_to_end/servers.rs"]
mod servers;
#[path = "../end_to_end/sizes.rs"]
#[allow(dead_code, reason = "the other benchmark has flips of its own")]
mod sizes;
#[path = "../end_to_end/usage.rs"]
mod usage;

#[allow(dead_code, reason = "the stack starts more than Kafka with it")]
#[path = "../../tests/stack/java.rs"]
mod java;
#[path = "../../tests/stack/kafka.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod kafka;
#[path = "../../tests/support/process.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod process;
#[path = "../../tests/support/records.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod records;
#[path = "../../tests/stack/runtime.rs"]
mod runtime;
#[path = "../../tests/support/wait.rs"]
mod wait;
#[path = "../../tests/stack/workspace.rs"]
#[allow(dead_code, reason = "the tests ask more of it")]
mod workspace;

use anyhow::{Result, bail};
use tokio::runtime::Runtime;

use endpoint::Endpoint;
use member::{Member, Setup};
use replay::Measured;
use report::Report;
use scale::{Scale, rows};
use servers::{Broker, Servers};
use shop::Shop;
use sizes::Sizes;
use view::View;
use workspace::{Workspace, in_workspace_with};

const TOPIC: &str = "shop.shop.products";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["member", setup] => member::serve(setup),
        options => {
            // Cargo passes `--bench`, and whoever calls it may pass the name of a benchmark.
            let name = options.iter().find(|option| !option.starts_with("--"));
            if name.is_none_or(|name| "fast_lane".contains(name)) {
                measure()
            } else {
                Ok(())
            }
        }
    }
}

fn measure() -> Result<()> {
    let (sizes, scale) = (Sizes::from_environment()?, Scale::from_environment()?);
    let broker = Broker::choose()?;
    let (sizes, scale) = match broker {
        Broker::Real => (sizes, scale),
        Broker::Mock => {
            let sizes = sizes.on_mock();
            (sizes, scale.on_mock(sizes.rows + sizes.flips))
        }
    };
    println!(
        "{} rows, {} partitions; {broker}\n",
        sizes.rows, sizes.partitions
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let bench = Bench {
        runtime,
        broker,
        sizes,
        scale,
    };
    let mut report = Report::default();
    if bench.scale.idle > 0 || !bench.scale.stall.is_zero() {
        bench.on_servers(|servers, workspace| {
            bench.measure_latencies(servers, workspace, &mut report)
        })?;
    }
    if bench.scale.parked > 0 {
        bench.on_servers(|servers, workspace| {
            let setup = Setup {
                dimensions: bench.scale.dimensions,
                budget: "256MiB".to_owned(),
                ..Setup::on(servers, bench.sizes.partitions, "first")
            };
            let backlog = bench.scale.backlog();
            let parked = parked::measure(&bench.runtime, servers, workspace, &setup, backlog)?;
            report.parked(&parked);
            Ok(())
        })?;
    }
    let mut measured: Vec<Measured> = Vec::new();
    for records in &bench.scale.records {
        bench.on_servers(|servers, workspace| {
            let mut setup = Setup::on(servers, bench.sizes.partitions, "first");
            setup.dimensions = bench.scale.dimensions;
            let size = bench.scale.replayed(*records);
            let of_size = replay::measure(&bench.runtime, servers, workspace, &setup, size)?;
            report.replay(&of_size);
            measured.push(of_size);
            Ok(())
        })?;
    }
    println!("{report}\n{}", report::growth(&measured));
    if !report.is_correct() {
        bail!(
            "something was bought, written or seen that must not be, or memory was more than is promised"
        );
    }
    Ok(())
}

struct Bench {
    runtime: Runtime,
    broker: Broker,
    sizes: Sizes,
    scale: Scale,
}

impl Bench {
    /// Starts servers that hold nothing yet.
    fn on_servers(&self, measure: impl FnOnce(&Servers, &Workspace) -> Result<()>) -> Result<()> {
        let fetched: &[&str] = match self.broker {
            Broker::Real => &["kafka"],
            Broker::Mock => &[],
        };
        in_workspace_with(fetched, |workspace| {
            let servers = Servers::start(self.broker, workspace, &self.sizes)?;
            measure(&servers, workspace)
        })
    }

    fn measure_latencies(
        &self,
        servers: &Servers,
        workspace: &Workspace,
        report: &mut Report,
    ) -> Result<()> {
        let Self { runtime, scale, .. } = self;
        let view = View::open(&servers.index_url)?;
        let endpoint = Endpoint::at(&servers.embed_url);
        let mut shop = Shop::open(&servers.brokers, rows(&self.sizes))?;
        shop.snapshot()?;
        let setup = Setup::on(servers, self.sizes.partitions, "first");
        let mut member = Member::start(&setup, workspace)?;
        member.when_settled(shop.sent())?;

        let (flips, deletes) = (scale.idle, scale.idle / 2);
        let idle = runtime.block_on(idle::measure(&mut shop, &view, flips, deletes))?;
        report.idle(&idle.flips, &idle.deletes);

        if !scale.stall.is_zero() {
            let stalled =
                stalled::measure(runtime, &mut shop, &view, &endpoint, &mut member, scale)?;
            report.stalled(&stalled);
        }
        member.when_settled(shop.sent())?;
        let differences = runtime.block_on(view.differences(&shop))?;
        report.none("rows that differ from the table at the end", differences);
        member.stop()
    }
}
