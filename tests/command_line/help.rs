//! What the program says of itself: its help, and completions.

use crate::{texts, vectide};

#[test]
fn help_documents_the_exit_codes_and_a_wrong_option_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let help = vectide(directory.path(), &["--help"]).output().unwrap();
    let (code, text, _) = texts(&help);
    assert_eq!(code, Some(0));
    assert!(text.contains("Exit codes:"), "{text}");

    let wrong = vectide(directory.path(), &["config", "--wrong"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn explain_and_search_have_examples_in_their_help() {
    let directory = tempfile::tempdir().unwrap();
    for (command, example) in [
        (
            "explain",
            "vectide explain B-204 --topic shop.public.products",
        ),
        ("search", "vectide search boots --filter 'stock > 0'"),
    ] {
        let output = vectide(directory.path(), &[command, "--help"]).output();
        let (code, printed, _) = texts(&output.unwrap());
        assert_eq!(code, Some(0));
        assert!(printed.contains(example), "{printed}");
    }
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let directory = tempfile::tempdir().unwrap();
    let output = vectide(directory.path(), &["completions", "bash"])
        .output()
        .unwrap();
    let (code, script, _) = texts(&output);
    assert_eq!(code, Some(0));
    assert!(script.contains("complete -F _vectide"), "{script}");
}
