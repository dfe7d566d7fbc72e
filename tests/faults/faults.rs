//! How each fault is made, and how it is mended.

use std::time::Duration;

use anyhow::Result;
use vectide_embedded::{embeddings, qdrant};

use crate::{
    cluster::{Cluster, GROUP, PRODUCTS},
    member::Member,
    proxy::Weather,
    rechecks::{Rechecks, Request},
    schedule::{Act, Fault},
};

/// What faults happen to.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) members: Vec<Member>,
    pub(crate) rechecks: Rechecks,
}

impl World {
    /// Lets a fault begin or end, or has an operator do something, who may damage the points of these products.
    pub(crate) fn act(&mut self, act: Act, products: &[i64]) -> Result<()> {
        match act {
            Act::Begin(fault) => self.begin(fault),
            Act::End(fault) => self.end(fault),
            Act::Ask(Request::Audit) => self.rechecks.audit(&PRODUCTS, products),
            Act::Ask(request) => self.rechecks.start(request),
        }
    }

    fn begin(&mut self, fault: Fault) -> Result<()> {
        let Self {
            cluster, members, ..
        } = self;
        match fault {
            Fault::Kill(slot) => members[slot].kill(),
            Fault::Freeze(slot) | Fault::Zombie(slot) => members[slot].freeze(true),
            Fault::LateWrites(slot) => {
                // What it is writing now does not arrive before it wakes up.
                members[slot].index.set(Weather::Held);
                members[slot].freeze(true)
            }
            Fault::Leave(slot) => members[slot].ask_to_leave(),
            Fault::Join(slot) => members[slot].start(),

            Fault::BrokersDown => cluster.kafka(|it| it.down = [1, 2].into()),
            Fault::OneBrokerDown(broker) => cluster.kafka(|it| it.down = [broker].into()),
            Fault::CoordinatorMoves(broker) => cluster.kafka(|it| {
                it.coordinators.insert(GROUP.to_owned(), broker);
            }),
            Fault::BrokersSlow => cluster.kafka(|it| it.round_trip_ms = 300),
            Fault::BrokersFrozen => cluster.freeze_kafka(true),
            Fault::BrokersHeld(slot) => {
                members[slot].kafka.set(Weather::Held);
                Ok(())
            }
            Fault::BrokersCut(slot) => {
                members[slot].kafka.set(Weather::Closed);
                members[slot].kafka.cut();
                Ok(())
            }
            Fault::LettersHeld(slot) => {
                members[slot].kafka.set(Weather::NoLetters);
                Ok(())
            }

            Fault::IndexKilled => cluster.kill_index(),
            Fault::IndexFrozen => cluster.freeze_index(true),
            Fault::IndexSlow => cluster.index(|it| it.delay_ms = 400),
            Fault::IndexFails(code) => {
                cluster.index(|it| it.fail = Some(qdrant::Failure { calls: 20, code }))
            }
            Fault::IndexRefuses => cluster.index(|it| it.refuse = true),
            Fault::IndexLosesAnswers => cluster.index(|it| it.lose_answers = 20),
            Fault::IndexHeld(slot) => {
                members[slot].index.set(Weather::Held);
                Ok(())
            }
            Fault::IndexCut(slot) => {
                members[slot].index.set(Weather::Closed);
                members[slot].index.cut();
                Ok(())
            }
            Fault::IndexFar(slot) => {
                let late = Duration::from_millis(150);
                members[slot].index.set(Weather::Slow(late));
                Ok(())
            }
            Fault::IndexDiskFull => cluster.fill_index_disk(true),

            Fault::EmbedStalls => cluster.embed(|it| it.stall = true),
            Fault::EmbedSlow => cluster.embed(|it| it.latency_ms = 700),
            Fault::EmbedThrottles => cluster.embed(|it| {
                it.fail = Some(embeddings::Failure {
                    retry_after_s: Some(1),
                    ..embeddings::Failure::status(429)
                });
            }),
            Fault::EmbedFails(status) => {
                cluster.embed(|it| it.fail = Some(embeddings::Failure::status(status)))
            }
            Fault::EmbedTalksGarbage(garbage) => cluster.embed(|it| it.garbage = Some(garbage)),
            Fault::EmbedHeld(slot) => {
                members[slot].embed.set(Weather::Held);
                Ok(())
            }
            Fault::EmbedShort(slot) => {
                members[slot].embed.set(Weather::Short(700));
                Ok(())
            }

            Fault::RegistryFails => cluster.registry(|it| it.fail = Some(503)),
            Fault::RegistryStalls => cluster.registry(|it| it.stall = true),
            Fault::RegistryTalksGarbage => cluster.registry(|it| it.sign_in_page = true),
        }
    }

    fn end(&mut self, fault: Fault) -> Result<()> {
        let Self {
            cluster, members, ..
        } = self;
        match fault {
            Fault::Kill(slot) | Fault::Leave(slot) => members[slot].start(),
            Fault::Freeze(slot) | Fault::Zombie(slot) => members[slot].freeze(false),
            Fault::LateWrites(slot) => {
                members[slot].index.set(Weather::Fair);
                members[slot].freeze(false)
            }
            Fault::Join(slot) => members[slot].ask_to_leave(),

            Fault::BrokersDown | Fault::OneBrokerDown(_) => cluster.kafka(|it| it.down.clear()),
            Fault::CoordinatorMoves(broker) => cluster.kafka(|it| {
                it.coordinators.insert(GROUP.to_owned(), 3 - broker);
            }),
            Fault::BrokersSlow => cluster.kafka(|it| it.round_trip_ms = 0),
            Fault::BrokersFrozen => cluster.freeze_kafka(false),
            Fault::BrokersHeld(slot) | Fault::BrokersCut(slot) | Fault::LettersHeld(slot) => {
                members[slot].kafka.set(Weather::Fair);
                Ok(())
            }

            Fault::IndexKilled => cluster.start_index(),
            Fault::IndexFrozen => cluster.freeze_index(false),
            Fault::IndexSlow => cluster.index(|it| it.delay_ms = 0),
            Fault::IndexFails(_) => cluster.index(|it| it.fail = None),
            Fault::IndexRefuses => cluster.index(|it| it.refuse = false),
            Fault::IndexLosesAnswers => cluster.index(|it| it.lose_answers = 0),
            Fault::IndexHeld(slot) | Fault::IndexCut(slot) | Fault::IndexFar(slot) => {
                members[slot].index.set(Weather::Fair);
                Ok(())
            }
            Fault::IndexDiskFull => {
                cluster.fill_index_disk(false)?;
                // It may have ended, or have a segment that refuses all writes since one failed that was of no point: an index of a
                // field's. The engine alone never recovers from that.
                cluster.restart_index()
            }

            Fault::EmbedStalls => cluster.embed(|it| it.stall = false),
            Fault::EmbedSlow => cluster.embed(|it| it.latency_ms = 0),
            Fault::EmbedThrottles | Fault::EmbedFails(_) => cluster.embed(|it| it.fail = None),
            Fault::EmbedTalksGarbage(_) => cluster.embed(|it| it.garbage = None),
            Fault::EmbedHeld(slot) | Fault::EmbedShort(slot) => {
                members[slot].embed.set(Weather::Fair);
                Ok(())
            }

            Fault::RegistryFails => cluster.registry(|it| it.fail = None),
            Fault::RegistryStalls => cluster.registry(|it| it.stall = false),
            Fault::RegistryTalksGarbage => cluster.registry(|it| it.sign_in_page = false),
        }
    }

    /// Every fault is over, and the members that there were at the start are there.
    pub(crate) fn heal(&mut self, started: usize) -> Result<()> {
        self.cluster.heal()?;
        for member in &mut self.members {
            member.heal()?;
        }
        for member in self.members.iter_mut().take(started) {
            member.start()?;
        }
        for member in self.members.iter_mut().skip(started) {
            member.ask_to_leave()?;
            member.await_end()?;
        }
        Ok(())
    }

    /// Asks all members to stop, which they must do in good order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.expect_running()?;
            member.ask_to_leave()?;
        }
        for member in &mut self.members {
            member.await_end()?;
        }
        Ok(())
    }
}
