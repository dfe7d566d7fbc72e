//! Brokers, topics, the group, and the dead-letter topic.

use super::{Report, count};
use crate::{
    config::{Config, KafkaConfig},
    dead_letter,
    error::Failure,
    source::{self, Probe},
};

pub(super) async fn check(config: &Config) -> Report {
    let mut report = Report::default();
    if config.kafka.is_embedded() {
        report.stand_in("kafka.brokers");
        return report;
    }
    let Ok(base) = source::client_config(&config.kafka, &config.kafka.brokers) else {
        report.bad("kafka.brokers", "not asked, because a secret is missing");
        return report;
    };
    let (client, kafka) = (base.clone(), config.kafka.clone());
    // The client's calls block, and so does its end.
    let found =
        tokio::task::spawn_blocking(move || ask(Probe::connect(&client, &kafka.group), &kafka))
            .await;
    let is_reachable = match found {
        Ok((found, is_reachable)) => {
            report.lines.extend(found.lines);
            is_reachable
        }
        Err(_) => false,
    };
    if is_reachable {
        let topic = &config.dead_letter.topic;
        let found = dead_letter::check(&base, &config.dead_letter).await;
        report.result("dead_letter.topic", found, |found| match found {
            dead_letter::Topic::Exists => {
                format!("{topic} is there; whether it may be written to shows with the first letter")
            }
            dead_letter::Topic::CanBeMade => {
                format!(
                    "{topic} is not there, and will be created when it is needed; whether it may be written to shows then"
                )
            }
        });
    }
    report
}

/// What the brokers say, and whether they say anything. Blocks.
fn ask(probe: Result<Probe, Failure>, kafka: &KafkaConfig) -> (Report, bool) {
    let mut report = Report::default();
    let probe = match probe {
        Ok(probe) => probe,
        Err(failure) => {
            report.bad("kafka.brokers", failure.message);
            return (report, false);
        }
    };
    let brokers = count(probe.brokers(), "broker");
    report.good("kafka.brokers", format!("{brokers} at {}", kafka.brokers));
    let mut readable = None;
    for topic in &kafka.topics {
        let read = if topic.starts_with('^') {
            ask_pattern(&probe, topic)
        } else {
            ask_topic(&probe, topic).map(|text| (text, topic.clone()))
        };
        match read {
            Ok((text, topic)) => {
                report.good("kafka.topics", text);
                readable = readable.or(Some(topic));
            }
            Err(failure) => report.bad("kafka.topics", failure.message),
        }
    }
    match readable {
        Some(topic) => report.result("kafka.group", probe.ask_group(&topic), |()| {
            format!("{} may be used", kafka.group)
        }),
        None => report.bad("kafka.group", "not asked, because no topic can be read"),
    }
    (report, true)
}

fn ask_topic(probe: &Probe, topic: &str) -> Result<String, Failure> {
    let partitions = probe.partitions(topic)?.ok_or_else(|| {
        Failure::blocked(
            "absent",
            format!("{topic} does not exist: create it, or correct the name (a run waits for it)"),
        )
    })?;
    probe.read(topic)?;
    Ok(format!("{topic} has {}", count(partitions, "partition")))
}

/// Of the topics that match, the first stands for all.
fn ask_pattern(probe: &Probe, pattern: &str) -> Result<(String, String), Failure> {
    let matching = probe.matching(pattern);
    let Some(first) = matching.first() else {
        return Err(Failure::blocked(
            "absent",
            format!(
                "{pattern} matches no topic: create one, or correct the pattern (a run waits for one)"
            ),
        ));
    };
    probe.read(first)?;
    let topics = count(matching.len(), "topic");
    let text = format!("{pattern} matches {topics}: {}", matching.join(", "));
    Ok((text, (*first).to_owned()))
}
