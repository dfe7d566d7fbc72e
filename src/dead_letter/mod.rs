//! tmp
#![allow(missing_docs, clippy::all, clippy::pedantic, dead_code)]
use tokio::sync::mpsc::UnboundedSender; use crate::{record::*, error::Failure, config::DeadLetterConfig, telemetry::Health};
pub struct DeadLetter { pub raw: RawRecord, pub stage: &'static str, pub failure: Failure }
#[derive(Debug)] pub struct Delivered { pub ticket: Ticket }
#[derive(Clone, Debug)] pub struct DeadLetters;
impl DeadLetters {
  pub fn start(_: &rdkafka::ClientConfig, _: &DeadLetterConfig, _: &str, _: Health, _: tokio_util::sync::CancellationToken) -> anyhow::Result<Self> { Ok(Self) }
  pub fn submit(&self, ticket: Ticket, _: DeadLetter, reply: UnboundedSender<Delivered>) { let _ = reply.send(Delivered{ticket}); }
}
