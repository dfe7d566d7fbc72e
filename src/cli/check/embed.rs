//! One embedding call.

use super::Report;
use crate::{
    config::EmbedConfig,
    embed::{self, Settings},
};

pub(super) async fn check(config: &EmbedConfig) -> Report {
    let mut report = Report::default();
    if config.is_embedded() {
        report.stand_in("embed.url");
        return report;
    }
    let Ok(settings) = Settings::new(config, &config.url) else {
        report.bad("embed.url", "not asked, because the key is missing");
        return report;
    };
    report.result("embed.url", embed::check(&settings).await, |()| {
        format!(
            "{} answers with vectors of length {}",
            config.model, config.dimensions
        )
    });
    report
}
