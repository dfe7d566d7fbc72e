//! What Kafka's errors mean for reading. Pure.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::{
    error::{Disposition, Failure},
    kafka::{encryption, once},
};

/// What is wrong with Kafka, by what shows that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The next look at the brokers shows whether it is more than one broker's.
    Broker,
    /// A broker that is up shows it.
    Connection,
    /// Only an assignment or a record does.
    Access,
    /// Nothing does: the client has ended.
    Fatal,
}

/// What is wrong at present, if anything is: one outage is one piece of news, however many brokers and
/// attempts tell of it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    met: Option<Met>,
    /// What was said first of a connection that broke, until it is known whether others stand.
    suspected: Option<Failure>,
}

#[derive(Debug)]
struct Met {
    trouble: Trouble,
    reason: &'static str,
    is_blocked: bool,
}

impl Standing {
    /// An error was met. Returns what to tell, if that is news: what was said first of an outage stays, until
    /// it turns out that a person is needed; and that one broker of several is gone is no outage.
    pub(super) fn meet(&mut self, trouble: Trouble, failure: Failure) -> Option<Failure> {
        if trouble == Trouble::Broker {
            self.suspected.get_or_insert(failure);
            return None;
        }
        let is_blocked = failure.disposition == Disposition::Blocked;
        // That all are down does not say why.
        let failure = match self.suspected.take() {
            Some(cause) if trouble == Trouble::Connection && !is_blocked => cause,
            _ => failure,
        };
        let is_news = self.met.as_ref().is_none_or(|known| {
            if known.trouble == trouble {
                is_blocked && !(known.is_blocked && known.reason == failure.reason)
            } else {
                known.trouble != Trouble::Fatal
            }
        });
        if is_news {
            self.met = Some(Met {
                trouble,
                reason: failure.reason,
                is_blocked,
            });
        }
        is_news.then_some(failure)
    }

    /// No broker is connected. Returns what to tell, where connections have broken and that was not told yet.
    pub(super) fn no_broker_is_up(&mut self) -> Option<Failure> {
        let cause = self.suspected.take()?;
        self.meet(Trouble::Connection, cause)
    }

    /// Records arrive. Whether nothing is wrong now: while no broker can be reached, they are some that
    /// were fetched before.
    pub(super) fn records_arrive(&mut self) -> bool {
        let is_over = !matches!(self.trouble(), Some(Trouble::Connection | Trouble::Fatal));
        if is_over {
            self.met = None;
        }
        is_over
    }

    /// A broker is connected, whatever became of others.
    pub(super) fn others_stand(&mut self) {
        self.suspected = None;
    }

    /// A broker is connected. Whether that ends what was wrong.
    pub(super) fn broker_is_up(&mut self) -> bool {
        self.others_stand();
        self.met
            .take_if(|known| known.trouble == Trouble::Connection)
            .is_some()
    }

    /// Partitions were assigned. Whether nothing is wrong now.
    pub(super) fn partitions_assigned(&mut self) -> bool {
        let is_over = self.trouble() != Some(Trouble::Fatal);
        if is_over {
            self.met = None;
        }
        is_over
    }

    /// What is wrong.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.met.as_ref().map(|known| known.trouble)
    }
}

/// What to do about an error of reading, and what shows that it is over; `None` where the client goes
/// on by itself.
pub(super) fn meaning(code: Code, reason: &str) -> Option<(Trouble, Failure)> {
    if let Some(failure) = encryption::blocked(Some(code), once(reason)) {
        return Some((Trouble::Connection, failure));
    }
    Some(match code {
        Code::AllBrokersDown | Code::BrokerTransportFailure => (
            if code == Code::AllBrokersDown {
                Trouble::Connection
            } else {
                Trouble::Broker
            },
            Failure::transient(
                "unavailable",
                format!(
                    "no Kafka broker can be reached; trying again ({})",
                    once(reason)
                ),
            ),
        ),
        Code::Authentication | Code::SaslAuthenticationFailed => (
            Trouble::Connection,
            Failure::blocked(
                "authentication",
                format!(
                    "Kafka refuses the credentials: correct kafka.security ({})",
                    once(reason)
                ),
            ),
        ),
        Code::UnknownTopicOrPartition | Code::UnknownTopic => (
            Trouble::Access,
            Failure::transient(
                "unknown_topic",
                "a topic of kafka.topics does not exist yet; waiting for it",
            ),
        ),
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed => (
            Trouble::Access,
            Failure::blocked(
                "authorization",
                "Kafka denies access; grant READ on the topics and on the group",
            ),
        ),
        Code::Fatal | Code::FencedInstanceId | Code::UnreleasedInstanceId => (
            Trouble::Fatal,
            Failure::blocked(
                "fatal",
                format!(
                    "the Kafka client has ended for good ({reason}); if another process uses the same kafka.instance_id, give this one another"
                ),
            ),
        ),
        _ => return None,
    })
}

/// What to do about an error of reading; `None` where the client goes on by itself.
#[cfg(test)]
pub(crate) fn disposition(code: Code) -> Option<Failure> {
    meaning(code, "so it said").map(|(_, failure)| failure)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// What is said of errors, one after the other.
    fn said(standing: &mut Standing, errors: &[(Code, &str)]) -> Vec<String> {
        let errors = errors.iter();
        let met = errors.filter_map(|(code, reason)| {
            let (trouble, failure) = meaning(*code, reason)?;
            let told = standing.meet(trouble, failure)?;
            Some(told.reason.to_owned())
        });
        met.collect()
    }

    #[test]
    fn an_outage_is_told_once_however_many_brokers_and_attempts_tell_of_it() {
        let mut standing = Standing::default();
        let errors = [
            (Code::BrokerTransportFailure, "broker 1: disconnected"),
            (Code::BrokerTransportFailure, "coordinator: disconnected"),
            (Code::AllBrokersDown, "3/3 brokers are down"),
            (Code::BrokerTransportFailure, "broker 1: connection refused"),
        ];
        assert_eq!(said(&mut standing, &errors), ["unavailable"]);
        assert!(!standing.records_arrive(), "they were fetched before");
        assert_eq!(said(&mut standing, &errors), [""; 0]);
        assert!(standing.broker_is_up());
        assert!(!standing.broker_is_up(), "nothing was wrong any more");
        assert_eq!(said(&mut standing, &errors), ["unavailable"]);
    }

    #[test]
    fn an_outage_that_needs_a_person_is_news_and_is_not_hidden_by_what_follows() {
        let mut standing = Standing::default();
        let errors = [
            (Code::BrokerTransportFailure, "disconnected"),
            (Code::SaslAuthenticationFailed, "wrong password"),
            (
                Code::SaslAuthenticationFailed,
                "wrong password, says broker 2",
            ),
            (Code::AllBrokersDown, "3/3 brokers are down"),
        ];
        let said = said(&mut standing, &errors);
        assert_eq!(said, ["authentication"]);
    }

    #[test]
    fn one_broker_of_several_that_is_gone_is_no_outage() {
        let mut standing = Standing::default();
        let gone = [
            (
                Code::BrokerTransportFailure,
                "broker 1: connection refused (after 2ms)",
            ),
            (Code::BrokerTransportFailure, "broker 1: disconnected"),
        ];
        assert_eq!(said(&mut standing, &gone), [""; 0]);
        assert!(!standing.broker_is_up(), "nothing was wrong");
        assert_eq!(standing.no_broker_is_up(), None, "nothing broke since");
        // And when all are, it is said why.
        assert_eq!(said(&mut standing, &gone), [""; 0]);
        let told = standing.no_broker_is_up().unwrap();
        assert!(told.message.ends_with("(broker 1: connection refused)"));
        assert_eq!(standing.trouble(), Some(Trouble::Connection));
        assert_eq!(standing.no_broker_is_up(), None, "it was told");
        assert!(standing.broker_is_up());
    }

    #[test]
    fn a_member_whose_name_another_took_has_ended_for_good() {
        let mut standing = Standing::default();
        let errors = [
            (Code::FencedInstanceId, "fenced"),
            (Code::Fatal, "fenced"),
            (Code::AllBrokersDown, "3/3 brokers are down"),
        ];
        assert_eq!(said(&mut standing, &errors), ["fatal"]);
        assert!(!standing.partitions_assigned());
    }

    #[test]
    fn a_client_certificate_that_is_refused_after_the_handshake_is_no_outage() {
        let mut standing = Standing::default();
        let errors = [
            (
                Code::BrokerTransportFailure,
                "Receive failed: ssl/tls alert bad certificate: SSL alert number 42",
            ),
            (Code::AllBrokersDown, "1/1 brokers are down"),
        ];
        assert_eq!(said(&mut standing, &errors), ["tls"]);
        assert!(standing.broker_is_up());
    }

    #[test]
    fn a_missing_right_is_over_when_records_arrive() {
        let mut standing = Standing::default();
        let errors = [(Code::TopicAuthorizationFailed, "")];
        assert_eq!(said(&mut standing, &errors), ["authorization"]);
        assert!(!standing.broker_is_up());
        assert!(standing.records_arrive());
        assert_eq!(standing.trouble(), None);
    }

    #[test]
    fn a_client_that_has_ended_is_not_revived() {
        let mut standing = Standing::default();
        assert_eq!(said(&mut standing, &[(Code::Fatal, "fenced")]), ["fatal"]);
        assert!(!standing.records_arrive());
        assert!(!standing.partitions_assigned());
        let errors = [(Code::AllBrokersDown, "")];
        assert_eq!(said(&mut standing, &errors), [""; 0]);
    }
}
