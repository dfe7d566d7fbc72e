//! A gauge for each assigned partition.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    Error, GaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::record::TopicPartition;

/// A gauge with the labels `topic` and `partition`, of the partitions that this member has now: one
/// that has gone to another member is not shown any more. So there are as many series in a group as
/// its topics have partitions. A clone is the same gauge.
#[derive(Debug, Clone)]
pub struct PartitionGauge {
    shown: GaugeVec,
    values: Arc<Mutex<Vec<(TopicPartition, f64)>>>,
}

impl PartitionGauge {
    pub(super) fn new(name: &str, help: &str) -> Result<Self, Error> {
        Ok(Self {
            shown: GaugeVec::new(Opts::new(name, help), &["topic", "partition"])?,
            values: Arc::default(),
        })
    }

    /// Shows these partitions from now on, and no others.
    pub(crate) fn replace(&self, values: Vec<(TopicPartition, f64)>) {
        *self.values.lock().unwrap_or_else(PoisonError::into_inner) = values;
    }
}

impl Collector for PartitionGauge {
    fn desc(&self) -> Vec<&Desc> {
        self.shown.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held until the end: of two who ask at the same time, each gets all.
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown.reset();
        for (partition, value) in &*values {
            let number = partition.partition.to_string();
            self.shown
                .with_label_values(&[&*partition.topic, &number])
                .set(*value);
        }
        self.shown.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use prometheus::proto::LabelPair;

    use super::*;

    fn shown(gauge: &PartitionGauge) -> Vec<(String, f64)> {
        let families = gauge.collect();
        let metrics = families.iter().flat_map(MetricFamily::get_metric);
        let shown = metrics.map(|metric| {
            let labels: Vec<_> = metric.get_label().iter().map(LabelPair::value).collect();
            (labels.join("/"), metric.get_gauge().get_value())
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        shown
    }

    #[test]
    fn a_partition_that_was_given_up_is_not_shown_any_more() {
        let gauge = PartitionGauge::new("lag", "Lag.").unwrap();
        let of = |partition| TopicPartition {
            topic: "products".into(),
            partition,
        };
        gauge.replace(vec![(of(0), 1.5), (of(1), 2.0)]);
        // Labels come in the order of their names: the partition, then the topic.
        let both = [
            ("0/products".to_owned(), 1.5),
            ("1/products".to_owned(), 2.0),
        ];
        assert_eq!(shown(&gauge), both);
        gauge.replace(vec![(of(1), 0.5)]);
        assert_eq!(shown(&gauge), [("1/products".to_owned(), 0.5)]);
    }
}
