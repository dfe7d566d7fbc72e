//! How long the brokers wait for a silent member, where they decide it.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier},
    client::DefaultClientContext,
    error::KafkaResult,
};
use tokio::runtime::Handle;
use tracing::debug;

use super::probe::TIMEOUT;
use crate::kafka::oauth;

/// On a broker, for all groups.
const OF_BROKER: &str = "group.consumer.session.timeout.ms";
/// On a group, for it alone.
const OF_GROUP: &str = "consumer.session.timeout.ms";

/// How long the brokers wait for a silent member of `group`, under the newer group protocol; `None`
/// where they don't say, as to who may not describe configurations, or can't be asked, as by who logs in
/// by OAUTHBEARER. Blocks.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn brokers_session(base: &ClientConfig, group: &str, broker: i32) -> Option<Duration> {
    if oauth::is_used(base) {
        debug!("the client that asks for configurations can't log in by OAUTHBEARER");
        return None;
    }
    // The group's comes first: it holds where there is one. Older brokers know of none.
    let asked = [
        (ResourceSpecifier::Group(group), OF_GROUP),
        (ResourceSpecifier::Broker(broker), OF_BROKER),
    ];
    asked.into_iter().find_map(|(resource, name)| {
        let found = describe(base, &resource);
        let found = found.inspect_err(|error| debug!("{name} can't be asked for: {error}"));
        milliseconds(&found.ok()?, name)
    })
}

fn describe(
    base: &ClientConfig,
    resource: &ResourceSpecifier<'_>,
) -> KafkaResult<Vec<ConfigResource>> {
    let admin: AdminClient<DefaultClientContext> = base.create()?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = Handle::current().block_on(admin.describe_configs([resource], &options))?;
    Ok(described.into_iter().flatten().collect())
}

fn milliseconds(described: &[ConfigResource], name: &str) -> Option<Duration> {
    let entry = described.iter().find_map(|resource| resource.get(name))?;
    let milliseconds = entry.value.as_ref()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}
