//! Brokers, topics, the group, and the dead-letter topic.

use std::time::Duration;

use humantime::format_duration;
use rdkafka::ClientConfig;

use super::{Report, count};
use crate::{
    config::{Config, GroupProtocol, KafkaConfig},
    dead_letter,
    error::Failure,
    kafka,
    source::{self, Probe},
};

pub(super) async fn check(config: &Config) -> Report {
    let mut report = Report::default();
    if config.kafka.is_embedded() {
        report.stand_in("kafka.brokers");
        return report;
    }
    let Ok(base) = kafka::client_config(&config.kafka, &config.kafka.brokers) else {
        report.bad("kafka.brokers", "not asked, because a secret is missing");
        return report;
    };
    let (client, kafka) = (base.clone(), config.kafka.clone());
    // The client's calls block, and so does its end.
    let found = tokio::task::spawn_blocking(move || ask(&client, &kafka)).await;
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
fn ask(base: &ClientConfig, kafka: &KafkaConfig) -> (Report, bool) {
    let mut report = Report::default();
    let probe = match Probe::connect(base, &kafka.group) {
        Ok(probe) => probe,
        Err(failure) => {
            report.bad("kafka.brokers", failure.message);
            return (report, false);
        }
    };
    let brokers = count(probe.brokers().len(), "broker");
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
    if let (GroupProtocol::Consumer, Some(broker)) = (kafka.group_protocol, probe.brokers().first())
        && let Some(session) = source::brokers_session(base, &kafka.group, *broker)
    {
        report.result("kafka.group_protocol", judge(session, kafka), |text| text);
    }
    (report, true)
}

/// What it means that the brokers wait so long for a silent member.
fn judge(session: Duration, kafka: &KafkaConfig) -> Result<String, Failure> {
    let ours = kafka.session_timeout;
    let (waits, trusts) = (format_duration(session), format_duration(ours));
    if session < ours {
        return Err(Failure::blocked(
            "session",
            format!(
                "the brokers miss a silent member after {waits}, but it trusts for {trusts} that its partitions are its own: \
                 raise group.consumer.session.timeout.ms on them, or lower kafka.session_timeout"
            ),
        ));
    }
    let advice = if session > ours {
        format!("; for {trusts} instead, set group.consumer.session.timeout.ms on them")
    } else {
        String::new()
    };
    Ok(format!(
        "the brokers miss a member that was killed after {waits}{advice}"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(session_seconds: u64) -> Result<String, String> {
        let kafka = KafkaConfig {
            session_timeout: Duration::from_secs(10),
            ..KafkaConfig::default()
        };
        judge(Duration::from_secs(session_seconds), &kafka).map_err(|failure| failure.message)
    }

    #[test]
    fn brokers_that_wait_longer_than_a_member_trusts_itself_are_no_fault_but_told() {
        assert_eq!(
            judged(45).as_deref(),
            Ok(
                "the brokers miss a member that was killed after 45s; for 10s instead, set group.consumer.session.timeout.ms on them"
            )
        );
        assert_eq!(
            judged(10).as_deref(),
            Ok("the brokers miss a member that was killed after 10s")
        );
    }

    #[test]
    fn brokers_that_give_partitions_away_while_a_member_trusts_that_they_are_its_own_are_a_fault() {
        let refused = judged(6);
        assert!(refused.is_err_and(|message| message.contains("lower kafka.session_timeout")));
    }
}
