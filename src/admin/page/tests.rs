//! The page, and whether its parts fit together.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::*;
use crate::{
    admin::{InEffect, Job, Views, status::Observer},
    config::Config,
    cost::{Books, BoughtText},
    pages,
    telemetry::{AssignedPartition, Health, Lane, LaneState, Metrics, Reading},
};

fn views() -> Views {
    let metrics = Metrics::new().unwrap();
    Views {
        metrics: metrics.clone(),
        health: Health::default(),
        live: Arc::new(|| true),
        job: Job {
            group: "shop".into(),
            ..Job::default()
        },
        books: Books::open(&Config::default(), metrics.cost.clone()).unwrap(),
        configuration: InEffect::since(SystemTime::UNIX_EPOCH),
        control: None,
    }
}

fn page(views: &Views) -> String {
    let now = Instant::now();
    render(&Observer::new(now).look(views, now))
}

/// What stands between `before` and the next quotation mark, wherever it does.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let rest = text.split(before).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn it_renders_when_nothing_has_happened_yet() {
    let page = page(&views());
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("Nothing was written yet."), "{page}");
    assert!(page.contains("None is assigned."));
    assert!(page.trim_end().ends_with("</html>"));
}

#[test]
fn it_renders_what_the_status_says() {
    let views = views();
    views
        .metrics
        .kafka
        .partitions
        .replace(vec![AssignedPartition {
            topic: "shop.public.products".into(),
            partition: 2,
            reading: Reading::Held,
            settled_offset: None,
            end_offset: Some(12_345),
            lag_records: 678,
            lag_seconds: 4,
        }]);
    let letters = &views.metrics.pipeline.dead_letters;
    letters.with_label_values(&["decode", "not_json"]).inc();
    let page = page(&views);
    for text in ["12,345", "678", "shop.public.products", "not_json", "held:"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn what_was_spent_stands_beside_what_may_be() {
    let mut views = views();
    let mut config = Config::default();
    config.cost.budget.daily = "1000 tokens".parse().ok();
    views.books = Books::open(&config, views.metrics.cost.clone()).unwrap();
    assert!(page(&views).contains("<dd>0 % of 1000 tokens</dd>"));
    let text = BoughtText {
        text: "kettle",
        purposes: Vec::new(),
    };
    views.books.bought(&[text], Some(1_250));
    views
        .configuration
        .reloaded(vec!["kafka.group".into()], SystemTime::UNIX_EPOCH);
    let page = page(&views);
    assert!(page.contains("<div class=\"warn\"><dt>day's budget</dt><dd>125 % of"));
    assert!(
        page.contains(
            "Configuration 2, read at 1970-01-01 00:00:00 UTC; <b>needs a restart:</b> kafka.group."
        ),
        "{page}"
    );
}

#[test]
fn a_lane_that_is_not_ready_stands_on_top_with_what_to_do() {
    let views = views();
    for lane in Lane::ALL {
        views.health.set(lane, LaneState::Ready);
    }
    assert!(page(&views).contains("Every lane is ready."));
    let blocked = LaneState::Blocked("renew the key".into());
    views.health.set(Lane::Embed, blocked);
    let page = page(&views);
    assert!(page.contains("<title>blocked: shop – Vectide</title>"));
    let (_, verdict) = page.split_once("id=\"verdict\"").unwrap();
    let (verdict, _) = verdict.split_once("</section>").unwrap();
    assert!(verdict.contains("<b>embed</b> renew the key"), "{verdict}");
    assert!(!verdict.contains("Every lane"));
}

#[test]
fn what_others_wrote_is_shown_as_text() {
    let views = views();
    let reason = "<script>alert(1)</script> & \"more\"";
    views
        .health
        .set(Lane::Index, LaneState::Blocked(reason.into()));
    let page = page(&views);
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt; &amp; &quot;more&quot;"));
}

#[test]
fn the_script_looks_for_nothing_that_is_not_there() {
    let page = page(&views());
    let there: BTreeSet<_> = quoted(&page, " id=\"").into_iter().collect();
    let wanted = quoted(SCRIPT, "getElementById(\"");
    assert!(!wanted.is_empty());
    for id in wanted {
        assert!(there.contains(id), "#{id}");
    }
    // What is kept up to date is found by its id.
    let live = page.split('<').filter(|tag| tag.contains(" data-live"));
    let (with_id, without): (Vec<_>, Vec<_>) = live.partition(|tag| tag.contains(" id=\""));
    assert!(with_id.len() >= 6);
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn no_id_is_there_twice_and_labels_lead_somewhere() {
    let page = page(&views());
    let ids = quoted(&page, " id=\"");
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    for label in quoted(&page, "aria-labelledby=\"") {
        assert!(distinct.contains(&label), "{label}");
    }
    for place in quoted(&page, "href=\"#") {
        assert!(distinct.contains(&place), "{place}");
    }
}

#[test]
fn it_loads_what_is_built_in_and_nothing_else() {
    let views = views();
    for (lane, state) in [
        (Lane::Index, LaneState::Waiting("it is away".into())),
        (Lane::Embed, LaneState::Blocked("renew the key".into())),
    ] {
        views.health.set(lane, state);
        it_loads_what_is_built_in(&page(&views));
    }
}

fn it_loads_what_is_built_in(page: &str) {
    for path in quoted(page, " src=\"") {
        assert!(ASSETS.iter().any(|(asset, ..)| *asset == path), "{path}");
    }
    for (path, ..) in ASSETS {
        assert!(page.contains(&format!("\"{path}\"")), "{path} is not used");
    }
    let links = quoted(page, "href=\"");
    assert!(links.iter().any(|link| link.contains("/runbooks/lane-")));
    // A runbook is elsewhere; it is loaded only by whoever follows the link.
    let runbook = "https://github.com/vectide/vectide/blob/main/docs/runbooks/";
    for link in links {
        if let Some(file) = link.strip_prefix(runbook) {
            assert!(
                pages::root().join("docs/runbooks").join(file).exists(),
                "{link}"
            );
        }
        let is_own = link.starts_with(['/', '#']) && !link.starts_with("//");
        assert!(is_own || link.starts_with(runbook), "{link}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn it_keeps_to_the_policy_that_forbids_inline_scripts_and_styles() {
    let page = page(&views());
    assert!(!page.contains(" style="));
    assert!(!page.contains("<style"));
    for handler in [" onclick=", " onload=", " onerror=", "javascript:"] {
        assert!(!page.contains(handler), "{handler}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.contains("></script>"), "{script}");
    }
}
