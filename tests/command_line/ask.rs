//! `vectide explain` and `vectide search`.

use std::fs;

#[cfg(all(unix, feature = "embedded"))]
use crate::stand_ins::stand_in;
use crate::{texts, vectide};

#[test]
fn a_key_or_a_filter_that_is_none_exits_with_2_and_says_what_to_write() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (
            &["explain", "[17"][..],
            "error: invalid value '[17' for '<KEY>': is no key: write one value, as 17 or B-204, or a JSON array of the key's columns, as [\"B-204\",3]\n",
        ),
        (
            &["explain", ""],
            "error: invalid value '' for '<KEY>': is empty\n",
        ),
        (
            &["explain", "17", "--scan", "far"],
            "error: invalid value 'far' for '--scan <BOUND>': write a number of records, as 500000; or bytes, as 1GiB; or a time, as 2m\n",
        ),
        (
            &["search", "tent", "--filter", "price > cheap"],
            "error: invalid value 'price > cheap' for '--filter <FILTER>': > compares numbers, and cheap is none\n",
        ),
        (
            &["search", "tent", "--filter", "stock"],
            "error: invalid value 'stock' for '--filter <FILTER>': has no operator: write a field, one of = != < <= > >=, and a value, as 'stock > 0'\n",
        ),
    ] {
        let output = vectide(directory.path(), arguments).output().unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, printed.as_str()), (Some(2), ""));
        assert!(errors.starts_with(said), "{errors}");
    }
}

#[test]
fn a_server_that_is_away_is_said_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], configuration: &str| {
        fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
        let output = vectide(directory.path(), arguments).output().unwrap();
        let (code, printed, errors) = texts(&output);
        assert_eq!((code, printed.as_str()), (Some(1), ""));
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors
    };
    let topics = "[kafka]\ntopics = [\"shop\"]\n";
    let away = format!("{topics}brokers = \"127.0.0.1:1\"\n");
    let errors = run(&["explain", "17"], &away);
    let said = "vectide: Kafka does not answer: are kafka.brokers and kafka.security right, and the brokers up?";
    assert!(errors.starts_with(said), "{errors}");
    let errors = run(
        &["search", "tent"],
        "[index]\nurl = \"http://127.0.0.1:1\"\n",
    );
    let said = "vectide: Qdrant can't be reached: http://127.0.0.1:1: Connection refused";
    assert!(errors.starts_with(said), "{errors}");
}

#[cfg(feature = "embedded")]
#[test]
fn a_stand_in_of_another_process_must_be_named_by_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let configuration =
        "[kafka]\ntopics = [\"shop\"]\nbrokers = \"embedded\"\n[index]\nurl = \"embedded\"\n";
    fs::write(directory.path().join("vectide.toml"), configuration).unwrap();
    for (arguments, said) in [
        (
            ["explain", "17"],
            "vectide: kafka.brokers is a stand-in inside of `vectide run`: name a server, such as VECTIDE__KAFKA__BROKERS=localhost:9092\n",
        ),
        (
            ["search", "tent"],
            "vectide: index.url is a stand-in inside of `vectide run`: name a server, such as VECTIDE__INDEX__URL=http://localhost:6334\n",
        ),
    ] {
        let output = vectide(directory.path(), &arguments).output().unwrap();
        assert_eq!(texts(&output), (Some(1), String::new(), said.to_owned()));
    }
}

#[cfg(all(unix, feature = "embedded"))]
#[test]
fn a_search_and_an_explanation_ask_stand_ins_of_other_processes_by_their_addresses() {
    let kafka = ["kafka", "--topic", "shop.products:2"];
    let qdrant = ["qdrant", "--address", "127.0.0.1:0"];
    let embeddings = ["embeddings", "--address", "127.0.0.1:0"];
    stand_in(&kafka, |brokers| {
        stand_in(&qdrant, |index| {
            stand_in(&embeddings, |embed| {
                let directory = tempfile::tempdir().unwrap();
                let run = |arguments: &[&str]| {
                    let output = vectide(directory.path(), arguments)
                        .env("VECTIDE__KAFKA__BROKERS", brokers)
                        .env("VECTIDE__KAFKA__TOPICS", "[\"shop.products\"]")
                        .env("VECTIDE__INDEX__URL", index)
                        .env("VECTIDE__EMBED__URL", embed)
                        .env("VECTIDE__EMBED__DIMENSIONS", "8")
                        .output()
                        .unwrap();
                    texts(&output)
                };
                let (code, _, errors) = run(&["search", "tent"]);
                let absent = "vectide: the collection products does not exist";
                assert!(code == Some(1) && errors.starts_with(absent), "{errors}");
                make_collection(index);
                let nothing = "nothing is found in the collection products\n";
                assert_eq!(
                    run(&["search", "tent"]),
                    (Some(0), nothing.to_owned(), String::new())
                );
                let unknown = "vectide: no row [17]: the topic shop.products is empty, and the collection products has no point for it\n";
                assert_eq!(
                    run(&["explain", "17"]),
                    (Some(1), String::new(), unknown.to_owned())
                );
            });
        });
    });
}

#[cfg(all(unix, feature = "embedded"))]
fn make_collection(address: &str) {
    use qdrant_client::qdrant::{
        CreateCollectionBuilder, Distance, VectorParamsBuilder, VectorsConfigBuilder,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = qdrant_client::Qdrant::from_url(address).skip_compatibility_check();
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("text", VectorParamsBuilder::new(8, Distance::Cosine));
    let create = CreateCollectionBuilder::new("products").vectors_config(vectors);
    let client = client.build().unwrap();
    runtime.block_on(client.create_collection(create)).unwrap();
}
