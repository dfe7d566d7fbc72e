//! The committing thread: whatever has to wait for the brokers' answer, off the polling thread.
//!
//! It commits frontiers on a timer, asks what was committed last of newly assigned partitions and how
//! many there are in all, and, when the [lease](crate::lease) is in doubt, asks the group by a commit whether this
//! member still owns what it takes for its own.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use crate::{
    commit::{Committed, LastCommit, Which, last_commits},
    record::TopicPartition,
};

use super::{LastCommitted, group::Group, subscription::Subscription};

/// How long the thread waits between attempts while something is owed.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the brokers may take to say what was committed.
const ANSWER: Duration = Duration::from_secs(5);

/// What the committing thread is asked for.
#[derive(Debug)]
enum Errand {
    /// What was committed last of a partition.
    LastCommit(TopicPartition, oneshot::Sender<LastCommit>),
    /// How many partitions there are to be shared by the group.
    CountPartitions,
    Stop,
}

/// Where errands are told.
#[derive(Debug, Clone)]
pub(super) struct Errands(Sender<Errand>);

/// Where they arrive.
#[derive(Debug)]
pub(super) struct ErrandList(Receiver<Errand>);

impl Errands {
    pub(super) fn channel() -> (Self, ErrandList) {
        let (errands, arriving) = channel();
        (Self(errands), ErrandList(arriving))
    }

    /// Asks what was committed last of a partition.
    pub(super) fn last_commit(&self, partition: TopicPartition) -> LastCommitted {
        let (answer, answered) = oneshot::channel();
        // Without the thread there is no answer, and the program is about to end.
        let _ = self.0.send(Errand::LastCommit(partition, answer));
        answered
    }

    /// Has the partitions counted that the group shares.
    pub(super) fn count_partitions(&self) {
        // Without the thread the program is about to end.
        let _ = self.0.send(Errand::CountPartitions);
    }
}

/// The running thread.
pub(super) struct Committer {
    errands: Errands,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(super) fn start(
        consumer: &Arc<BaseConsumer<Group>>,
        errands: Errands,
        arriving: ErrandList,
        subscription: Subscription,
        interval: Duration,
    ) -> std::io::Result<Self> {
        let work = Work {
            consumer: consumer.clone(),
            subscription,
            asked: Vec::new(),
            is_to_be_counted: false,
            next_commit: Instant::now() + interval,
            interval,
        };
        let thread = std::thread::Builder::new()
            .name("kafka-commit".to_owned())
            .spawn(move || work.run(&arriving))?;
        Ok(Self { errands, thread })
    }

    pub(super) fn stop(self) {
        let _ = self.errands.0.send(Errand::Stop);
        if self.thread.join().is_err() {
            warn!("the committing thread panicked");
        }
    }
}

struct Work {
    consumer: Arc<BaseConsumer<Group>>,
    subscription: Subscription,
    /// Partitions whose last commit is waited for.
    asked: Vec<(TopicPartition, oneshot::Sender<LastCommit>)>,
    /// Whether the group may share another number of partitions than before.
    is_to_be_counted: bool,
    next_commit: Instant,
    interval: Duration,
}

impl Work {
    fn run(mut self, arriving: &ErrandList) {
        loop {
            match arriving.0.recv_timeout(self.wait()) {
                Ok(errand) => {
                    // A rebalance assigns many at once: they are asked for together.
                    let more = std::iter::from_fn(|| arriving.0.try_recv().ok());
                    for errand in std::iter::once(errand).chain(more) {
                        match errand {
                            Errand::LastCommit(partition, answer) => {
                                self.asked.push((partition, answer));
                            }
                            Errand::CountPartitions => self.is_to_be_counted = true,
                            Errand::Stop => return,
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.answer();
            self.count();
            self.confirm_membership();
            let now = Instant::now();
            if now >= self.next_commit {
                let group = self.consumer.context();
                group.commit(&self.consumer, &group.frontiers(), Which::Moved);
                self.next_commit = Instant::now() + self.interval;
            }
        }
    }

    fn wait(&self) -> Duration {
        let until_commit = self.next_commit.saturating_duration_since(Instant::now());
        let is_owing = !self.asked.is_empty()
            || self.is_to_be_counted
            || self.consumer.context().lease().is_in_doubt();
        if is_owing {
            until_commit.min(AGAIN)
        } else {
            // A lease may come into doubt meanwhile.
            until_commit.min(10 * AGAIN)
        }
    }

    fn answer(&mut self) {
        // Partitions that were given up meanwhile.
        self.asked.retain(|(_, answer)| !answer.is_closed());
        if self.asked.is_empty() {
            return;
        }
        let partitions: Vec<TopicPartition> = self
            .asked
            .iter()
            .map(|(partition, _)| partition.clone())
            .collect();
        match last_commits(&self.consumer, &partitions, ANSWER) {
            Ok(mut commits) => {
                for (partition, answer) in self.asked.drain(..) {
                    // Its worker may be gone: then nobody needs the answer.
                    let _ = answer.send(commits.remove(&partition).unwrap_or_default());
                }
            }
            Err(error) => debug!("can't read the committed offsets, trying again: {error}"),
        }
    }

    fn count(&mut self) {
        if !self.is_to_be_counted {
            return;
        }
        match self.consumer.fetch_metadata(None, ANSWER) {
            Ok(cluster) => {
                self.is_to_be_counted = false;
                let total = self.subscription.partitions(&cluster);
                self.consumer.context().set_total(total);
            }
            Err(error) => debug!("can't count the partitions, trying again: {error}"),
        }
    }

    fn confirm_membership(&self) {
        let group = self.consumer.context();
        if !group.lease().is_in_doubt() {
            return;
        }
        let outcome = group.commit(&self.consumer, &group.frontiers(), Which::All);
        if outcome == Committed::Done {
            group.lease().confirm();
            info!("the group confirms this member's partitions");
        }
    }
}
