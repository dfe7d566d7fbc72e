//! What the client's own statistics tell: whether a broker is up, and how far the partitions are.

use std::time::Duration;

use rdkafka::Statistics;

use crate::{
    commit::Frontier,
    record::TopicPartition,
    telemetry::{AssignedPartition, Lane, LaneState, Reading},
};

use super::{Feed, Group, progress::Progress};

impl Group {
    /// The client counted. `now_ms` is the time, in milliseconds since 1970.
    pub(super) fn on_statistics(&self, statistics: &Statistics, now_ms: i64) {
        let is_up = statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP");
        let (is_over, trouble) = {
            let mut feeds = self.feeds();
            if is_up {
                feeds.standing.others_stand();
                let is_over = feeds.joined && feeds.standing.broker_is_up();
                (is_over, None)
            } else {
                (false, feeds.standing.no_broker_is_up())
            }
        };
        if is_over {
            self.health.set(Lane::Kafka, LaneState::Ready);
        }
        if let Some(trouble) = trouble {
            self.tell(trouble);
        }
        self.show_lag(statistics, now_ms);
        let shown = self.look(statistics, now_ms);
        self.metrics.partitions.replace(shown);
    }

    /// Shows how far the assigned partitions are behind.
    fn show_lag(&self, statistics: &Statistics, now_ms: i64) {
        let (mut records, mut seconds) = (Vec::new(), Vec::new());
        for (partition, frontier) in self.frontiers() {
            seconds.push((partition.clone(), frontier.unsettled_seconds(now_ms)));
            if let Some(left) = progress(&partition, &frontier, statistics).left {
                records.push((partition, left as f64));
            }
        }
        self.metrics.lag_records.replace(records);
        self.metrics.lag_seconds.replace(seconds);
        for topic in statistics.topics.values() {
            // The client keeps one more, of the number -1, for messages that have no partition yet.
            let partitions = topic.partitions.keys().filter(|number| **number >= 0);
            let partitions = i64::try_from(partitions.count()).unwrap_or(i64::MAX);
            let shown = &self.metrics.topic_partitions;
            shown.with_label_values(&[&topic.topic]).set(partitions);
        }
    }

    /// How far each assigned partition is.
    fn look(&self, statistics: &Statistics, now_ms: i64) -> Vec<AssignedPartition> {
        let feeds = self.feeds();
        let look = |(partition, feed): (&TopicPartition, &Feed)| {
            let progress = progress(partition, &feed.frontier, statistics);
            AssignedPartition {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                reading: if feed.frontier.epoch().is_none() {
                    Reading::Starting
                } else if self.health.is_table_paused(&partition.topic) {
                    Reading::Paused
                } else if feed.gate.is_closed() {
                    Reading::Held
                } else if feeds.over_budget {
                    Reading::OverBudget
                } else {
                    Reading::Reading
                },
                settled_offset: progress.settled,
                end_offset: progress.end,
                lag_records: progress.left.unwrap_or(0),
                lag_seconds: Duration::try_from_secs_f64(feed.frontier.unsettled_seconds(now_ms))
                    .map_or(0, |lag| lag.as_secs()),
            }
        };
        feeds.by_partition.iter().map(look).collect()
    }
}

fn progress(partition: &TopicPartition, frontier: &Frontier, statistics: &Statistics) -> Progress {
    let topic = statistics.topics.get(&*partition.topic);
    let known = topic.and_then(|topic| topic.partitions.get(&partition.partition));
    Progress::of(frontier.get(), known)
}
