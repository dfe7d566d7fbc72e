#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use vectide_embedded::registry::{
    Behaviour, EmbeddedRegistry, Reference, RegistryOptions, Schema, Stats,
};

use super::*;
use crate::{config::Secret, record::SchemaLanguage, telemetry::LaneState};

/// A registry, and what asks it.
struct Asking {
    server: EmbeddedRegistry,
    registry: Registry,
    health: Health,
}

fn settings(urls: Vec<String>) -> Settings {
    Settings {
        urls,
        login: None,
        authorities: None,
        timeout: Duration::from_secs(30),
        retry_initial: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        unknown_for: Duration::from_hours(1),
    }
}

fn registry(settings: &Settings) -> (Registry, Health) {
    let health = Health::default();
    let registry = Registry::new(settings, health.clone(), CancellationToken::new()).unwrap();
    (registry, health)
}

impl Asking {
    async fn start() -> Self {
        let server = EmbeddedRegistry::start(RegistryOptions::default())
            .await
            .unwrap();
        let (registry, health) = registry(&settings(vec![server.url()]));
        Self {
            server,
            registry,
            health,
        }
    }

    fn behave(&self, behaviour: Behaviour) {
        self.server.control().set(behaviour);
    }

    /// Asks while the registry misbehaves, waits until the lane says so, then mends it.
    async fn asked_while(&self, id: u64, behaviour: Behaviour, state: &str) -> (Found, String) {
        self.behave(behaviour);
        let question = tokio::spawn({
            let registry = self.registry.clone();
            async move { registry.schema(SchemaId::Id(id)).await }
        });
        let reason = self.lane(state).await;
        assert!(!question.is_finished());
        self.behave(Behaviour::default());
        let found = question.await.unwrap();
        assert_eq!(self.lane("ready").await, "");
        (found, reason)
    }

    async fn lane(&self, state: &str) -> String {
        lane(&self.health, state).await
    }
}

async fn lane(health: &Health, state: &str) -> String {
    loop {
        let now: LaneState = health.get(Lane::Registry);
        if now.label() == state {
            return now.reason().unwrap_or_default().to_owned();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn text(found: Found) -> String {
    found.unwrap().text.to_string()
}

#[tokio::test]
async fn a_schema_is_asked_for_once_however_many_want_it() {
    let asking = Asking::start().await;
    let control = asking.server.control();
    control.put(7, Schema::avro("\"long\""));
    control.set(Behaviour {
        stall: true,
        ..Behaviour::default()
    });
    assert_eq!(asking.registry.cached(SchemaId::Id(7)), None);
    let questions: Vec<_> = (0..10)
        .map(|_| {
            let registry = asking.registry.clone();
            tokio::spawn(async move { registry.schema(SchemaId::Id(7)).await })
        })
        .collect();
    control.stats_when(|stats| stats.requests == 1).await;
    control.set(Behaviour::default());
    for question in questions {
        assert_eq!(text(question.await.unwrap()), "\"long\"");
    }
    assert_eq!(
        text(asking.registry.cached(SchemaId::Id(7)).unwrap()),
        "\"long\""
    );
    control.forget(7);
    assert_eq!(
        text(asking.registry.schema(SchemaId::Id(7)).await),
        "\"long\""
    );
    assert_eq!(
        control.stats(),
        Stats {
            requests: 1,
            found: 1
        }
    );
}

#[tokio::test]
async fn a_schema_comes_with_those_it_refers_to_each_behind_what_it_needs_itself() {
    let asking = Asking::start().await;
    let control = asking.server.control();
    let refers = |name: &str, subject: &str| Reference {
        name: name.to_owned(),
        subject: subject.to_owned(),
        version: 1,
    };
    let referring = |text: &str, references| Schema {
        references,
        ..Schema::avro(text)
    };
    control.register("leaf", Schema::avro("\"leaf\""));
    control.register(
        "mid/dle",
        referring("\"middle\"", vec![refers("leaf", "leaf")]),
    );
    let id = control.register(
        "top",
        referring(
            "\"top\"",
            vec![refers("middle", "mid/dle"), refers("leaf", "leaf")],
        ),
    );
    let found = asking
        .registry
        .schema(SchemaId::Id(id.into()))
        .await
        .unwrap();
    assert_eq!(&*found.text, "\"top\"");
    let references: Vec<&str> = found.references.iter().map(|text| &**text).collect();
    assert_eq!(references, ["\"leaf\"", "\"middle\""]);
}

#[tokio::test]
async fn a_schema_can_be_asked_for_by_its_guid_and_says_its_language() {
    let asking = Asking::start().await;
    let control = asking.server.control();
    control.put(
        7,
        Schema {
            schema_type: Some("JSON".to_owned()),
            ..Schema::avro("{}")
        },
    );
    let guid = SchemaId::Guid(control.guid(7).unwrap());
    let found = asking.registry.schema(guid).await.unwrap();
    assert_eq!(found.language, SchemaLanguage::JsonSchema);
}

#[tokio::test]
async fn an_unknown_id_is_the_records_fault_and_asked_for_once_for_many_records() {
    let asking = Asking::start().await;
    let id = SchemaId::Id(9);
    let failure = asking.registry.schema(id).await.unwrap_err();
    assert_eq!(
        (failure.disposition, failure.reason),
        (Disposition::Record, "unknown_schema")
    );
    assert_eq!(asking.registry.cached(id), Some(Err(failure)));
    assert!(asking.registry.schema(id).await.is_err());
    assert_eq!(asking.server.control().stats().requests, 1);
    assert_eq!(asking.lane("ready").await, "");
}

#[tokio::test]
async fn an_unknown_id_is_found_once_it_is_registered() {
    let asking = Asking::start().await;
    let (registry, _) = registry(&Settings {
        unknown_for: Duration::ZERO,
        ..settings(vec![asking.server.url()])
    });
    let id = SchemaId::Id(9);
    assert!(registry.schema(id).await.is_err());
    assert_eq!(registry.cached(id), None);
    asking.server.control().put(9, Schema::avro("\"long\""));
    assert_eq!(text(registry.schema(id).await), "\"long\"");
}

#[tokio::test]
async fn an_outage_is_waited_for_and_no_fault_of_the_record() {
    let asking = Asking::start().await;
    asking.server.control().put(7, Schema::avro("\"long\""));
    asking.server.control().put(8, Schema::avro("\"long\""));
    let down = Behaviour {
        fail: Some(503),
        ..Behaviour::default()
    };
    let (found, reason) = asking.asked_while(7, down, "waiting").await;
    assert_eq!(text(found), "\"long\"");
    assert!(reason.contains("fails with status 503"), "{reason}");
    let proxy = Behaviour {
        sign_in_page: true,
        ..Behaviour::default()
    };
    let (found, reason) = asking.asked_while(8, proxy, "waiting").await;
    assert_eq!(text(found), "\"long\"");
    assert!(
        reason.contains("answers no schema registry's JSON"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_login_that_is_refused_blocks_until_it_is_accepted() {
    let asking = Asking::start().await;
    asking.server.control().put(7, Schema::avro("\"long\""));
    let locked = Behaviour {
        password: Some("secret".to_owned()),
        ..Behaviour::default()
    };
    let (found, reason) = asking.asked_while(7, locked.clone(), "blocked").await;
    assert_eq!(text(found), "\"long\"");
    assert!(reason.contains("registry.password"), "{reason}");

    asking.behave(locked);
    let mut settings = settings(vec![asking.server.url()]);
    settings.login = Some(("me".to_owned(), Secret::new("secret")));
    let (registry, _) = registry(&settings);
    assert_eq!(text(registry.schema(SchemaId::Id(7)).await), "\"long\"");
    check(&settings).await.unwrap();
    settings.login = None;
    assert!(
        check(&settings)
            .await
            .unwrap_err()
            .to_string()
            .contains("401")
    );
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails_and_goes_on_being_asked_first() {
    let asking = Asking::start().await;
    let control = asking.server.control();
    control.put(7, Schema::avro("\"long\""));
    let away = EmbeddedRegistry::start(RegistryOptions::default())
        .await
        .unwrap();
    away.control().set(Behaviour {
        fail: Some(500),
        ..Behaviour::default()
    });
    let (registry, health) = registry(&settings(vec![away.url(), asking.server.url()]));
    assert_eq!(text(registry.schema(SchemaId::Id(7)).await), "\"long\"");
    assert_eq!(health.get(Lane::Registry), LaneState::Ready);
    assert!(registry.schema(SchemaId::Id(8)).await.is_err());
    assert_eq!(away.control().stats().requests, 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (registry, health) = registry(&settings(vec![format!("http://{address}")]));
    let question = tokio::spawn(async move { registry.schema(SchemaId::Id(7)).await });
    let reason = lane(&health, "waiting").await;
    assert!(reason.contains("can't be reached"), "{reason}");
    let server = EmbeddedRegistry::start(RegistryOptions { address })
        .await
        .unwrap();
    server.control().put(7, Schema::avro("\"long\""));
    assert_eq!(text(question.await.unwrap()), "\"long\"");
    assert_eq!(lane(&health, "ready").await, "");
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_given_up_and_the_lane_is_ready() {
    let asking = Asking::start().await;
    asking.behave(Behaviour {
        fail: Some(503),
        ..Behaviour::default()
    });
    let question = tokio::spawn({
        let registry = asking.registry.clone();
        async move { registry.schema(SchemaId::Id(7)).await }
    });
    asking.lane("waiting").await;
    question.abort();
    assert_eq!(asking.lane("ready").await, "");
}

#[tokio::test]
async fn without_a_registry_a_schema_blocks_and_says_what_to_configure() {
    let (registry, health) = registry(&settings(Vec::new()));
    let question = tokio::spawn(async move { registry.schema(SchemaId::Id(7)).await });
    let reason = lane(&health, "blocked").await;
    assert!(reason.contains("registry.urls"), "{reason}");
    question.abort();
}
