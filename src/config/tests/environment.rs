use std::collections::BTreeMap;

use super::{TOPICS, load};
use crate::config::{PayloadIndexKind, SecretRef, SecurityProtocol};

#[test]
fn a_variable_wins_over_the_file() {
    let text = format!("{TOPICS}group = \"file\"\n");
    let config = load(&text, &[("VECTIDE__KAFKA__GROUP", "environment")]).unwrap();
    assert_eq!(config.kafka.group, "environment");
}

#[test]
fn values_are_read_as_their_keys_type_wants_them() {
    let config = load(
        TOPICS,
        &[
            ("VECTIDE__KAFKA__INSTANCE_ID", "007"),
            ("VECTIDE__KAFKA__TOPICS", "shop.a, shop.b"),
            ("VECTIDE__DOCUMENT__IGNORE", "[\"updated_at\", \"etag\"]"),
            (
                "VECTIDE__DOCUMENT__COLUMNS__PRODUCT",
                "[\"name\", \"title\"]",
            ),
            ("VECTIDE__DOCUMENT__COLUMNS__CATEGORY", "kind"),
            ("VECTIDE__EMBED__DIMENSIONS", "768"),
            ("VECTIDE__EMBED__SEND_DIMENSIONS", "false"),
            ("VECTIDE__EMBED__API_KEY", "{ env = \"OPENAI_API_KEY\" }"),
            ("VECTIDE__EMBED__QUERY", "{\"api-version\": \"2024-10-21\"}"),
            ("VECTIDE__INDEX__API_KEY__FILE", "/run/secrets/qdrant"),
            ("VECTIDE__INDEX__PAYLOAD_INDEXES__PRICE_CENTS", "integer"),
            ("VECTIDE__KAFKA__SECURITY__PROTOCOL", "ssl"),
            ("VECTIDE__TRACES__RATIO", "0.25"),
        ],
    )
    .unwrap();
    assert_eq!(config.kafka.instance_id.as_deref(), Some("007"));
    assert_eq!(config.kafka.topics, ["shop.a", "shop.b"]);
    assert_eq!(config.kafka.security.protocol, SecurityProtocol::Ssl);
    assert_eq!(config.document.ignore, ["updated_at", "etag"]);
    let columns = &config.document.columns;
    assert_eq!(columns.product, Some(["name", "title"].into()));
    assert_eq!(columns.category, Some("kind".into()));
    assert_eq!(config.embed.dimensions, 768);
    assert!((config.traces.ratio - 0.25).abs() < f64::EPSILON);
    assert!(!config.embed.send_dimensions);
    assert_eq!(
        config.embed.api_key,
        Some(SecretRef::Env("OPENAI_API_KEY".into()))
    );
    assert_eq!(config.embed.query["api-version"], "2024-10-21");
    assert_eq!(
        config.index.api_key,
        Some(SecretRef::File("/run/secrets/qdrant".into()))
    );
    assert_eq!(
        config.index.payload_indexes,
        BTreeMap::from([("price_cents".into(), PayloadIndexKind::Integer)])
    );
}

#[test]
fn an_empty_variable_is_as_if_not_set() {
    let config = load(TOPICS, &[("VECTIDE__KAFKA__INSTANCE_ID", "")]).unwrap();
    assert_eq!(config.kafka.instance_id, None);
}

#[test]
fn other_variables_are_not_looked_at() {
    assert!(load(TOPICS, &[("VECTIDE_KAFKA", "x"), ("PATH", "/bin")]).is_ok());
}

#[test]
fn problems_name_the_variable() {
    let lines = load(
        TOPICS,
        &[
            ("VECTIDE__EMBED", "x"),
            ("VECTIDE__EMBED__API_KEY", "sk-live-123"),
            ("VECTIDE__EMBED__DIMENSIONS", "-1"),
            ("VECTIDE__EMBED__QUERY", "api-version"),
            ("VECTIDE__EMBED__SEND_DIMENSIONS", "yes"),
            ("VECTIDE__EMBED__TIMEOUT", "30"),
            ("VECTIDE__EMBED__URI", "http://localhost"),
            ("VECTIDE__LOG__LEVEL__ALL", "info"),
        ],
    )
    .unwrap_err();
    assert_eq!(
        lines,
        "\
environment VECTIDE__EMBED: is a section: name one of its keys
environment VECTIDE__EMBED__API_KEY: a secret is given by reference, { env = \"NAME\" } or { file = \"/path\" }, never as text
environment VECTIDE__EMBED__DIMENSIONS: invalid value: integer `-1`, expected a whole number, 0 or more
environment VECTIDE__EMBED__QUERY: expected a table, such as { \"name\" = \"value\" }
environment VECTIDE__EMBED__SEND_DIMENSIONS: invalid type: string \"yes\", expected true or false
environment VECTIDE__EMBED__TIMEOUT: \"30\" is no duration such as \"5s\" or \"250ms\": time unit needed, for example 30sec or 30ms
environment VECTIDE__EMBED__URI: unknown key; did you mean VECTIDE__EMBED__URL?
environment VECTIDE__LOG__LEVEL__ALL: unknown key; did you mean VECTIDE__LOG__LEVEL?"
    );
}

#[test]
fn a_rule_broken_by_a_variable_names_the_variable() {
    assert_eq!(
        load(TOPICS, &[("VECTIDE__WINDOW__MAX_HOLD", "1s")]).unwrap_err(),
        "environment VECTIDE__WINDOW__MAX_HOLD: is 1s, less than window.quiet (5s): no key would \
         ever be held that long"
    );
}
