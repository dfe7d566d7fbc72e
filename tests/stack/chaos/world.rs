//! What faults happen to: how each begins, and how it ends.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::chaos::schedule::{Act, Fault, MEMBERS, Victim};
use crate::connect::Dialect;
use crate::group::{Group, Member};
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::workspace::Workspace;

/// How long a member may take to stop in good order, also while Kafka is away.
const SHUTDOWN: Duration = Duration::from_mins(1);

/// The servers and the members.
pub(crate) struct World<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) servers: Servers,
    pub(crate) stand_ins: StandIns,
    members: [Place; MEMBERS],
    /// How often a connector had to be started again because it had failed.
    pub(crate) mended: usize,
}

/// Where a member is, or was.
#[derive(Default)]
struct Place {
    member: Option<Member>,
    /// It was told to stop, and may have ended.
    stopping: bool,
    frozen: bool,
    /// How often one was started here.
    starts: usize,
}

impl<'a> World<'a> {
    /// All servers run already; starts the members.
    pub(crate) fn start(
        workspace: &'a Workspace,
        servers: Servers,
        stand_ins: StandIns,
    ) -> Result<Self> {
        let mut world = Self {
            workspace,
            servers,
            stand_ins,
            members: Default::default(),
            mended: 0,
        };
        for place in 0..MEMBERS {
            world.start_member(place)?;
        }
        Ok(world)
    }

    /// The group of the member in that place.
    fn group(place: usize) -> Group {
        let [first, second] = Dialect::ALL;
        let dialect = if place < MEMBERS / 2 { first } else { second };
        Group { dialect }
    }

    /// Lets a fault begin or end.
    pub(crate) fn act(&mut self, act: Act) -> Result<()> {
        let Servers {
            kafka,
            connect,
            java,
            ..
        } = &mut self.servers;
        match (act.victim, act.fault) {
            (Victim::Kafka, Fault::Freeze) => kafka.freeze(act.begins),
            (Victim::Kafka, _) if act.begins => kafka.kill(),
            (Victim::Kafka, _) => kafka.start_again(self.workspace, java),
            (Victim::Connect, _) if act.begins => connect.kill(),
            (Victim::Connect, _) => connect.start_again(self.workspace, java),
            (Victim::Provider, _) => self.stand_ins.behave(&json!({"stall": act.begins})),
            (Victim::Member(place), fault) => self.act_on_member(place, fault, act.begins),
        }
    }

    fn act_on_member(&mut self, place: usize, fault: Fault, begins: bool) -> Result<()> {
        let Some(here) = self.members.get_mut(place) else {
            return Ok(());
        };
        match (fault, &mut here.member) {
            (Fault::Freeze, Some(member)) => {
                here.frozen = begins;
                member.freeze(begins)
            }
            (Fault::Stop, Some(member)) if begins => {
                here.stopping = true;
                member.ask_to_stop()
            }
            (Fault::Kill, _) if begins => here.member.take().map_or(Ok(()), Member::kill),
            _ => self.start_member(place),
        }
    }

    /// Starts a member; one that was told to stop has to have done so first.
    fn start_member(&mut self, place: usize) -> Result<()> {
        let group = Self::group(place);
        let Some(here) = self.members.get_mut(place) else {
            return Ok(());
        };
        if let Some(member) = here.member.take() {
            member.end(SHUTDOWN)?;
        }
        here.stopping = false;
        here.starts += 1;
        let name = format!("member-{place}-{}", here.starts);
        let kafka = &self.servers.kafka;
        here.member = Some(group.start_member(&name, self.workspace, kafka, &self.stand_ins)?);
        Ok(())
    }

    /// Fails where something ended that nobody killed; starts again what is known to end by itself.
    pub(crate) fn look(&mut self) -> Result<()> {
        for place in &mut self.members {
            if let (Some(member), false) = (&mut place.member, place.stopping) {
                member.expect_running()?;
            }
        }
        let Servers {
            kafka,
            connect,
            java,
            ..
        } = &mut self.servers;
        kafka.expect_running()?;
        if connect.has_ended()? {
            connect.start_again(self.workspace, java)?;
        }
        for dialect in Dialect::ALL {
            // It is asked again the next time.
            self.mended += usize::from(connect.mend(dialect.prefix()).unwrap_or(false));
        }
        Ok(())
    }

    /// Stops all members, which they must do in good order.
    pub(crate) fn stop_members(&mut self) -> Result<()> {
        for place in &mut self.members {
            ensure!(!place.frozen, "a member is frozen");
            if let Some(member) = place.member.take() {
                member.stop(SHUTDOWN)?;
            }
        }
        Ok(())
    }
}
