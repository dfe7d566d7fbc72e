//! The schema registry, where there is one.

use super::Report;
use crate::{
    config::RegistryConfig,
    registry::{self, RegistryError, Settings},
};

pub(super) async fn check(config: &RegistryConfig) -> Report {
    let mut report = Report::default();
    if config.urls.is_empty() {
        return report;
    }
    let settings = match Settings::new(config) {
        Ok(settings) => settings,
        Err(RegistryError::Password(_)) => {
            report.bad(
                "registry.urls",
                "not asked, because the password is missing",
            );
            return report;
        }
        Err(error) => {
            report.result("registry.ca_file", Err::<(), _>(error), |()| String::new());
            return report;
        }
    };
    report.result("registry.urls", registry::check(&settings).await, |()| {
        "the schema registry answers".to_owned()
    });
    report
}
