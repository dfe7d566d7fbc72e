//! Which faults there are, and when a seed has them begin and end. Pure.

use std::time::Duration;

use fastrand::Rng;

use crate::rechecks::Request;

/// How many members there may be at once.
pub(crate) const MEMBERS: usize = 3;

/// How many of them there are from the start.
pub(crate) const STARTED: usize = 2;

/// How many faults there are in each round.
const FAULTS: usize = 8;
const ROUND: Duration = Duration::from_secs(12);

/// What operators do in each round, in the midst of faults.
const REQUESTS: [Request; 4] = [
    Request::Audit,
    Request::Replay,
    Request::Audit,
    Request::Audit,
];

/// Every fault begins after this time, when there is something to lose.
const CALM: Duration = Duration::from_millis(500);

/// Which member.
pub(crate) type Slot = usize;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9; it ends with a new process.
    Kill(Slot),
    /// SIGSTOP until SIGCONT, before the group notices.
    Freeze(Slot),
    /// The same for so long that its partitions have other owners when it wakes up.
    Zombie(Slot),
    /// A zombie whose last writes arrive when its successors have written.
    LateWrites(Slot),
    /// SIGTERM; it ends with a new process.
    Leave(Slot),
    /// One more member, which leaves at the end.
    Join(Slot),

    BrokersDown,
    OneBrokerDown(i32),
    CoordinatorMoves(i32),
    BrokersSlow,
    BrokersFrozen,
    /// One member's connections to Kafka: nothing passes, they are reset.
    BrokersHeld(Slot),
    BrokersCut(Slot),
    /// Nobody acknowledges a dead letter of this member.
    LettersHeld(Slot),

    /// kill -9; it ends with a new process on the same folder.
    IndexKilled,
    IndexFrozen,
    IndexSlow,
    /// Calls answer this gRPC status.
    IndexFails(i32),
    IndexRefuses,
    /// Calls are carried out, and the answer is lost.
    IndexLosesAnswers,
    IndexHeld(Slot),
    IndexCut(Slot),
    /// One member's connections to Qdrant are slow.
    IndexFar(Slot),
    IndexDiskFull,

    EmbedStalls,
    EmbedSlow,
    /// 429 with Retry-After.
    EmbedThrottles,
    /// Answers with this status: 500, or 401 for a while.
    EmbedFails(u16),
    /// Answers with status 200 that nobody should believe.
    EmbedTalksGarbage(Garbage),
    EmbedHeld(Slot),
    /// Connections break in the middle of an answer.
    EmbedShort(Slot),

    RegistryFails,
    RegistryStalls,
    /// A page of HTML with status 200.
    RegistryTalksGarbage,
}

pub(crate) use vectide_embedded::embeddings::Garbage;

const GARBAGE: [Garbage; 7] = [
    Garbage::Truncated,
    Garbage::NotJson,
    Garbage::WrongCount,
    Garbage::WrongLength,
    Garbage::Nan,
    Garbage::Null,
    Garbage::WrongOrder,
];

/// Internal, ResourceExhausted, DeadlineExceeded, Aborted, Unauthenticated.
const STATUSES: [i32; 5] = [13, 8, 4, 10, 16];

/// How many kinds of faults there are.
const KINDS: usize = 34;

impl Fault {
    /// A fault of a kind, with what chance adds to it.
    fn of_kind(kind: usize, random: &mut Rng) -> Self {
        let slot = random.usize(0..STARTED);
        let broker = random.i32(1..=2);
        match kind {
            0 => Self::Kill(slot),
            1 => Self::Freeze(slot),
            2 => Self::Zombie(slot),
            3 => Self::LateWrites(slot),
            4 => Self::Leave(slot),
            5 => Self::Join(STARTED),
            6 => Self::BrokersDown,
            7 => Self::OneBrokerDown(broker),
            8 => Self::CoordinatorMoves(broker),
            9 => Self::BrokersSlow,
            10 => Self::BrokersFrozen,
            11 => Self::BrokersHeld(slot),
            12 => Self::BrokersCut(slot),
            13 => Self::LettersHeld(slot),
            14 => Self::IndexKilled,
            15 => Self::IndexFrozen,
            16 => Self::IndexSlow,
            17 => Self::IndexFails(STATUSES[random.usize(0..STATUSES.len())]),
            18 => Self::IndexRefuses,
            19 => Self::IndexLosesAnswers,
            20 => Self::IndexHeld(slot),
            21 => Self::IndexCut(slot),
            22 => Self::IndexDiskFull,
            23 => Self::EmbedStalls,
            24 => Self::EmbedSlow,
            25 => Self::EmbedThrottles,
            26 => Self::EmbedFails(if random.bool() { 500 } else { 401 }),
            27 => Self::EmbedTalksGarbage(GARBAGE[random.usize(0..GARBAGE.len())]),
            28 => Self::EmbedHeld(slot),
            29 => Self::IndexFar(slot),
            30 => Self::RegistryFails,
            31 => Self::RegistryStalls,
            32 => Self::RegistryTalksGarbage,
            _ => Self::EmbedShort(slot),
        }
    }

    /// The kind's name, without which member and how.
    pub(crate) fn name(self) -> String {
        let debug = format!("{self:?}");
        debug.split('(').next().unwrap_or_default().to_owned()
    }

    /// Whether the group has noticed before it ends.
    fn outlasts_the_session(self) -> bool {
        matches!(self, Self::Zombie(_) | Self::LateWrites(_) | Self::Join(_))
    }

    /// What it fills, as long as it lasts: two faults that would undo each other's end.
    fn place(self) -> Place {
        match self {
            Self::Kill(slot)
            | Self::Freeze(slot)
            | Self::Zombie(slot)
            | Self::LateWrites(slot)
            | Self::Leave(slot)
            | Self::Join(slot) => Place::Member(slot),
            Self::BrokersDown
            | Self::OneBrokerDown(_)
            | Self::CoordinatorMoves(_)
            | Self::BrokersSlow
            | Self::BrokersFrozen => Place::Kafka,
            Self::BrokersHeld(slot) | Self::BrokersCut(slot) | Self::LettersHeld(slot) => {
                Place::KafkaOf(slot)
            }
            Self::IndexKilled
            | Self::IndexFrozen
            | Self::IndexSlow
            | Self::IndexFails(_)
            | Self::IndexRefuses
            | Self::IndexLosesAnswers
            | Self::IndexDiskFull => Place::Index,
            Self::IndexHeld(slot) | Self::IndexCut(slot) | Self::IndexFar(slot) => {
                Place::IndexOf(slot)
            }
            Self::EmbedStalls
            | Self::EmbedSlow
            | Self::EmbedThrottles
            | Self::EmbedFails(_)
            | Self::EmbedTalksGarbage(_) => Place::Embed,
            Self::EmbedHeld(slot) | Self::EmbedShort(slot) => Place::EmbedOf(slot),
            Self::RegistryFails | Self::RegistryStalls | Self::RegistryTalksGarbage => {
                Place::Registry
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Member(Slot),
    Kafka,
    KafkaOf(Slot),
    Index,
    IndexOf(Slot),
    Embed,
    EmbedOf(Slot),
    Registry,
}

/// One thing that happens to the servers or the members, or that an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Begin(Fault),
    End(Fault),
    Ask(Request),
}

/// When what happens, counted from the first committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

/// The steps of a seed, the earliest first. Every fault ends within `length`.
///
/// `session` is the members' session timeout.
pub(crate) fn schedule(seed: u64, length: Duration, session: Duration) -> Vec<Step> {
    // Not the numbers that the workload of this seed gets.
    let mut random = Rng::with_seed(seed ^ 0x5eed_0ffa);
    let mut kinds: Vec<usize> = (0..KINDS).collect();
    random.shuffle(&mut kinds);
    let mut taken: Vec<(Fault, Duration, Duration)> = Vec::new();
    let rounds = usize::try_from(length.as_secs() / ROUND.as_secs()).unwrap_or(0);
    let wanted = FAULTS * rounds.max(1);
    for attempt in 0..wanted * 4 {
        if taken.len() == wanted {
            break;
        }
        let fault = Fault::of_kind(kinds[attempt % KINDS], &mut random);
        let lasts = if fault.outlasts_the_session() {
            session + milliseconds(&mut random, 1_500, 4_000)
        } else {
            milliseconds(&mut random, 300, 2_500)
        };
        let Some(latest) = length.checked_sub(lasts + CALM) else {
            continue;
        };
        let begin = CALM + latest.mul_f64(random.f64());
        let end = begin + lasts;
        let is_free = taken
            .iter()
            .all(|(other, from, to)| other.place() != fault.place() || end < *from || *to < begin);
        if is_free {
            taken.push((fault, begin, end));
        }
    }
    let mut steps: Vec<Step> = taken
        .into_iter()
        .flat_map(|(fault, begin, end)| {
            [(begin, Act::Begin(fault)), (end, Act::End(fault))].map(|(at, act)| Step { at, act })
        })
        .collect();
    for request in REQUESTS.repeat(rounds.max(1)) {
        let at = CALM + length.saturating_sub(CALM).mul_f64(random.f64());
        let act = Act::Ask(request);
        steps.push(Step { at, act });
    }
    steps.sort_by_key(|step| step.at);
    steps
}

fn milliseconds(random: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(random.u64(least..most))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(12);
    const SESSION: Duration = Duration::from_secs(3);

    fn names(seed: u64) -> BTreeSet<String> {
        schedule(seed, LENGTH, SESSION)
            .into_iter()
            .filter_map(|step| match step.act {
                Act::Begin(fault) | Act::End(fault) => Some(fault.name()),
                Act::Ask(_) => None,
            })
            .collect()
    }

    #[test]
    fn a_seed_means_the_same_again_and_another_something_else() {
        assert_eq!(schedule(3, LENGTH, SESSION), schedule(3, LENGTH, SESSION));
        assert_ne!(schedule(3, LENGTH, SESSION), schedule(4, LENGTH, SESSION));
    }

    #[test]
    fn a_few_seeds_have_every_kind_of_fault_among_them() {
        let all: BTreeSet<String> = (0..30).flat_map(names).collect();
        assert_eq!(all.len(), KINDS, "{all:?}");
    }

    #[test]
    fn every_fault_that_begins_ends_in_time() {
        for seed in 0..100 {
            let mut under_way = Vec::new();
            for step in schedule(seed, LENGTH, SESSION) {
                assert!(step.at <= LENGTH);
                match step.act {
                    Act::Begin(fault) => under_way.push(fault),
                    Act::End(fault) => {
                        let begun = under_way.iter().position(|it| *it == fault);
                        under_way.remove(begun.unwrap());
                    }
                    Act::Ask(_) => {}
                }
            }
            assert_eq!(under_way, []);
        }
    }

    #[test]
    fn a_longer_run_has_more_faults() {
        let steps = |seconds| schedule(1, Duration::from_secs(seconds), SESSION).len();
        assert!(steps(60) > 2 * steps(12));
    }
}
