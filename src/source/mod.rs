//! Source: the consumer group. Kafka comes in, [`RawRecord`]s go out,
//! to whoever processes the partition they belong to.
//!
//! One OS thread polls and runs the rebalance callbacks; it never blocks on anything else, so
//! membership in the group is not lost to slowness anywhere in the pipeline. What it hands over is
//! charged to a memory [`Budget`]; over it, all partitions are paused and polling goes on. One
//! alone is paused by its [`Gate`].

mod brokers_session;
mod budget;
mod committer;
mod consumer;
mod gate;
mod group;
mod lag;
mod leaving;
mod look_back;
mod past_records;
mod probe;
mod reader;
mod settings;
mod subscription;
pub(crate) mod trouble;

use tokio::sync::{mpsc::UnboundedSender, oneshot};

use crate::{
    commit::{Frontier, LastCommit},
    record::{RawRecord, Share, TopicPartition},
};

pub use brokers_session::brokers_session;
pub use budget::Budget;
pub use consumer::{Source, SourceError};
pub use gate::Gate;
pub use lag::lag;
pub use look_back::LookBack;
pub use past_records::{Past, PastReading, PastRecords};
pub use probe::Probe;
pub use reader::{Polled, Reading, StartAt, TopicReader};

/// Whoever processes partitions.
pub trait Partitions: Send + Sync + 'static {
    /// A partition was assigned: starts processing it, once it is known what was committed last.
    fn assign(&self, partition: TopicPartition, committed: LastCommitted) -> Feed;

    /// The partitions that are assigned now are this part of all. Told at every change.
    fn set_share(&self, share: Share);
}

/// Tells what was committed last of a partition. Closed without an answer when the partition is
/// given up before.
pub type LastCommitted = oneshot::Receiver<LastCommit>;

/// The source's side of a partition that is being processed.
#[derive(Debug)]
pub struct Feed {
    /// Takes records, in the order of their offsets.
    pub records: UnboundedSender<Vec<RawRecord>>,
    /// How far the partition may be committed.
    pub frontier: Frontier,
    /// Closed while no more of the partition is to be fetched.
    pub gate: Gate,
    /// Asks for the partition to be drained and given up.
    pub drain: oneshot::Sender<Drain>,
}

/// Asks a partition's processor to finish what is in flight, take nothing more, and stop.
#[derive(Debug)]
pub struct Drain {
    /// When it has to stop, finished or not.
    pub deadline: tokio::time::Instant,
    /// Dropped once it has stopped.
    pub done: oneshot::Sender<()>,
}
