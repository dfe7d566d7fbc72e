//! The OpenMetrics text format, version 1.0.0, which has exemplars and which the registry's own library
//! does not write. Of its types there are the three that the metrics here have.

use std::fmt::Write;

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars};

/// Writes metrics, with the exemplars of one histogram.
pub(super) fn encode(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut text = String::new();
    for family in families {
        write_family(&mut text, family, exemplars);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &MetricFamily, exemplars: &Exemplars) {
    let (kind, name) = match family.get_field_type() {
        // The family of a counter is named without the ending that its samples have.
        MetricType::COUNTER => {
            let name = family.name();
            ("counter", name.strip_suffix("_total").unwrap_or(name))
        }
        MetricType::GAUGE => ("gauge", family.name()),
        MetricType::HISTOGRAM => ("histogram", family.name()),
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    line(text, format_args!("# TYPE {name} {kind}"));
    line(
        text,
        format_args!("# HELP {name} {}", escaped(family.help())),
    );
    let exemplars = Some(exemplars).filter(|exemplars| exemplars.histogram == name);
    for metric in family.get_metric() {
        let labels = Labels(metric.get_label());
        match kind {
            "counter" => {
                let value = metric.get_counter().get_value();
                line(
                    text,
                    format_args!("{name}_total{} {}", labels.braced(), number(value)),
                );
            }
            "gauge" => {
                let value = metric.get_gauge().get_value();
                line(
                    text,
                    format_args!("{name}{} {}", labels.braced(), number(value)),
                );
            }
            _ => write_histogram(text, name, metric, exemplars),
        }
    }
}

fn write_histogram(text: &mut String, name: &str, metric: &Metric, exemplars: Option<&Exemplars>) {
    let labels = Labels(metric.get_label());
    let histogram: &Histogram = metric.get_histogram();
    let exemplar = |bucket| {
        let exemplars = exemplars?;
        let label = labels.value(exemplars.label)?;
        exemplars.of(label, bucket)
    };
    let mut bucket = |number_of: usize, bound: f64, count: u64| {
        let bound = number(bound);
        let labels = labels.with("le", &bound);
        let exemplar = exemplar(number_of).map(shown).unwrap_or_default();
        line(
            text,
            format_args!("{name}_bucket{labels} {count}{exemplar}"),
        );
    };
    let buckets = histogram.get_bucket();
    let finite = buckets.iter().filter(|it| it.upper_bound().is_finite());
    let mut last = 0;
    for (index, it) in finite.enumerate() {
        bucket(index, it.upper_bound(), it.cumulative_count());
        last = index + 1;
    }
    let count = histogram.get_sample_count();
    bucket(last, f64::INFINITY, count);
    let (labels, sum) = (labels.braced(), number(histogram.get_sample_sum()));
    line(text, format_args!("{name}_count{labels} {count}"));
    line(text, format_args!("{name}_sum{labels} {sum}"));
}

fn shown(exemplar: Exemplar) -> String {
    let Exemplar {
        value,
        trace,
        at_ms,
    } = exemplar;
    let (value, at) = (number(value), number(at_ms as f64 / 1_000.0));
    format!(" # {{trace_id=\"{trace}\"}} {value} {at}")
}

struct Labels<'a>(&'a [LabelPair]);

impl Labels<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let mut labels = self.0.iter();
        Some(labels.find(|label| label.name() == name)?.value())
    }

    fn braced(&self) -> String {
        self.join(None)
    }

    fn with(&self, name: &str, value: &str) -> String {
        self.join(Some((name, value)))
    }

    fn join(&self, further: Option<(&str, &str)>) -> String {
        let labels = self.0.iter().map(|label| (label.name(), label.value()));
        let labels: Vec<_> = labels
            .chain(further)
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        if labels.is_empty() {
            return String::new();
        }
        format!("{{{}}}", labels.join(","))
    }
}

/// A number as it is written canonically: `1.0`, `0.005`, `+Inf`.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    text.replace('\n', "\\n").replace('"', "\\\"")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
#[path = "open_metrics_tests.rs"]
mod tests;
