//! The committing thread: whatever has to wait for the brokers' answer, off the polling thread.
//!
//! It commits frontiers on a timer, asks what was committed last of newly assigned partitions, and, when the [lease](crate::lease) is in doubt, asks the group by a commit whether this
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

use super::{LastCommitted, group::Group};

/// How long the thread waits between attempts while something is owed.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the brokers may take to say what was committed.
const ANSWER: Duration = Duration::from_secs(5);

/// What the committing thread is asked for.
#[derive(Debug)]
enum Wish {
    /// What was committed last of a partition.
    LastCommit(TopicPartition, oneshot::Sender<LastCommit>),
    Stop,
}

/// Where wishes are told.
#[derive(Debug, Clone)]
pub(super) struct Wishes(Sender<Wish>);

/// Where they arrive.
#[derive(Debug)]
pub(super) struct WishList(Receiver<Wish>);

impl Wishes {
    pub(super) fn channel() -> (Self, WishList) {
        let (wishes, arriving) = channel();
        (Self(wishes), WishList(arriving))
    }

    /// Asks what was committed last of a partition.
    pub(super) fn last_commit(&self, partition: TopicPartition) -> LastCommitted {
        let (answer, answered) = oneshot::channel();
        // Without the thread there is no answer, and the program is about to end.
        let _ = self.0.send(Wish::LastCommit(partition, answer));
        answered
    }
}

/// The running thread.
pub(super) struct Committer {
    wishes: Wishes,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(super) fn start(
        consumer: &Arc<BaseConsumer<Group>>,
        wishes: Wishes,
        arriving: WishList,
        interval: Duration,
    ) -> std::io::Result<Self> {
        let work = Work {
            consumer: consumer.clone(),
            asked: Vec::new(),
            next_commit: Instant::now() + interval,
            interval,
        };
        let thread = std::thread::Builder::new()
            .name("kafka-commit".to_owned())
            .spawn(move || work.run(&arriving))?;
        Ok(Self { wishes, thread })
    }

    pub(super) fn stop(self) {
        let _ = self.wishes.0.send(Wish::Stop);
        if self.thread.join().is_err() {
            warn!("the committing thread panicked");
        }
    }
}

struct Work {
    consumer: Arc<BaseConsumer<Group>>,
    /// Partitions whose last commit is waited for.
    asked: Vec<(TopicPartition, oneshot::Sender<LastCommit>)>,
    next_commit: Instant,
    interval: Duration,
}

impl Work {
    fn run(mut self, arriving: &WishList) {
        loop {
            match arriving.0.recv_timeout(self.wait()) {
                Ok(Wish::LastCommit(partition, answer)) => {
                    self.asked.push((partition, answer));
                    // A rebalance assigns many at once: they are asked for together.
                    while let Ok(wish) = arriving.0.try_recv() {
                        match wish {
                            Wish::LastCommit(partition, answer) => {
                                self.asked.push((partition, answer));
                            }
                            Wish::Stop => return,
                        }
                    }
                }
                Ok(Wish::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.answer();
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
        let is_owing = !self.asked.is_empty() || self.consumer.context().lease().is_in_doubt();
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
