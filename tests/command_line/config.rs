//! `vectide config`, and how the configuration is found.

use std::{fs, io, process::Stdio};

use crate::{texts, vectide};

#[test]
fn config_prints_what_is_in_effect_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("vectide.toml"),
        "[kafka]\ntopics = [\"shop.public.products\"]\n\
         [embed]\napi_key = { env = \"EMBED_KEY\" }\n",
    )
    .unwrap();
    fs::write(
        directory.path().join(".env"),
        "EMBED_KEY=sk-hunter2\nVECTIDE__KAFKA__GROUP=from-dot-env\nVECTIDE__LOG__FORMAT=json\n",
    )
    .unwrap();
    let output = vectide(directory.path(), &["config", "--log-level", "debug"])
        .env("VECTIDE__LOG__FORMAT", "human")
        .output()
        .unwrap();
    let (code, printed, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for line in [
        "group = \"from-dot-env\"",
        "level = \"debug\"",
        "format = \"human\"",
        "env = \"EMBED_KEY\"",
    ] {
        assert!(printed.contains(line), "{line} is not in:\n{printed}");
    }
    assert!(!printed.contains("hunter2"));
}

#[test]
fn a_wrong_configuration_exits_with_2_and_its_problems() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("vectide.toml"),
        "[kafka]\nbrokerz = \"kafka:9092\"\n",
    )
    .unwrap();
    let output = vectide(directory.path(), &["config"]).output().unwrap();
    assert_eq!(
        texts(&output),
        (
            Some(2),
            String::new(),
            "vectide: the configuration has 2 problems:\n\
             vectide.toml: kafka.topics: missing: name the change topics to read, such as [\"shop.public.products\"]\n\
             vectide.toml:2: kafka.brokerz: unknown key; did you mean `brokers`?\n"
                .into()
        )
    );
}

#[test]
fn a_broken_dot_env_is_told_by_line_without_its_text() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".env"), "A=b\nKEY=hunter 2\n").unwrap();
    let output = vectide(directory.path(), &["config"]).output().unwrap();
    assert_eq!(
        texts(&output),
        (
            Some(2),
            String::new(),
            "vectide: the configuration has a problem:\n\
             .env:2: this is not NAME=value; a value with blanks needs quotes\n"
                .into()
        )
    );
}

#[test]
fn a_file_named_by_option_or_variable_must_exist() {
    let directory = tempfile::tempdir().unwrap();
    let option = vectide(directory.path(), &["--config", "absent.toml", "config"])
        .output()
        .unwrap();
    let variable = vectide(directory.path(), &["config"])
        .env("VECTIDE_CONFIG", "absent.toml")
        .output()
        .unwrap();
    for output in [option, variable] {
        let (code, _, errors) = texts(&output);
        assert_eq!(code, Some(2));
        assert!(
            errors.ends_with("\nabsent.toml: there is no such file\n"),
            "{errors}"
        );
    }
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["config", "schema"])
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        schema.pointer("/properties/embed/properties/dimensions/default"),
        Some(&1536.into())
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = vectide(directory.path(), &["config", "schema"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let (code, _, errors) = texts(&output);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}
