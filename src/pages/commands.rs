//! Commands in pages are ones that there are.

use clap::{CommandFactory, Parser};
use regex::Regex;

use super::{all, root};
use crate::cli::Cli;

/// Commands of others. They are not tried: they need servers, an account, or a cluster.
const OF_OTHERS: [&str; 19] = [
    "cargo",
    "cd",
    "curl",
    "df",
    "docker",
    "git",
    "helm",
    "install",
    "jq",
    "kafka-acls.sh",
    "kafka-consumer-groups.sh",
    "kafka-topics.sh",
    "kubectl",
    "kubeconform",
    "promtool",
    "psql",
    "python3",
    "sudo",
    "systemctl",
];

/// The words of a line of a shell, command by command. Knows quotes, comments, and what stands between
/// commands; what else a shell does is left as it is.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars().peekable();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&') => {
                end(&mut word, &mut commands);
                let _ = characters.next_if_eq(&character);
                commands.push(Vec::new());
            }
            (None, ' ') => end(&mut word, &mut commands),
            _ => word.get_or_insert_default().push(character),
        }
    }
    end(&mut word, &mut commands);
    commands.retain(|command| !command.is_empty());
    commands
}

/// What is wrong with a command.
fn complaint(command: &[String]) -> Option<String> {
    // Variables of the environment stand in front.
    let is_variable = |word: &&String| Regex::new("^[A-Z_]+=").unwrap().is_match(word);
    let command: Vec<&String> = command.iter().skip_while(is_variable).collect();
    let (program, arguments) = command.split_first()?;
    match program.as_str() {
        "vectide" => {
            let parsed = Cli::try_parse_from(command);
            parsed.err().map(|error| error.to_string())
        }
        "make" => {
            let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
            let targets = arguments.iter().filter(|it| !it.contains('='));
            let has = |target: &str| {
                makefile
                    .lines()
                    .any(|it| it.starts_with(&format!("{target}:")))
            };
            let missing = targets.into_iter().find(|target| !has(target));
            missing.map(|target| format!("there is no target {target}"))
        }
        path if path.contains('/') => {
            let is_there = root().join(path).exists();
            (!is_there).then(|| "there is no such file".to_owned())
        }
        other if OF_OTHERS.contains(&other) => None,
        _ => Some("not known".to_owned()),
    }
}

#[test]
fn every_command_in_a_block_is_one_that_there_is() {
    let mut count = 0;
    for page in all() {
        for block in page.blocks().iter().filter(|it| it.language == "sh") {
            let text = block.lines.join("\n").replace("\\\n", " ");
            for line in text.lines() {
                for command in commands(line) {
                    let complaint = complaint(&command);
                    assert_eq!(complaint, None, "{}: {command:?}", block.at);
                    count += 1;
                }
            }
        }
    }
    assert!(count > 20, "the commands are not found any more");
}

/// `vectide dlq drop --reason empty_text` in a sentence, without what stands for something else.
#[test]
fn every_subcommand_and_option_that_a_sentence_names_is_one_that_there_is() {
    let whole = Cli::command();
    let span = Regex::new(r"`vectide ([^`]*)`").unwrap();
    let mut count = 0;
    for page in all() {
        for found in span.captures_iter(&page.prose()) {
            let at = format!("{}: `vectide {}`", page.path.display(), &found[1]);
            let mut command = &whole;
            for word in found[1].split_whitespace() {
                if let Some(next) = command.find_subcommand(word) {
                    command = next;
                } else if let Some(option) = word.strip_prefix("--") {
                    let option = option.split('=').next();
                    let own = command.get_arguments().chain(whole.get_arguments());
                    let is_there = own.into_iter().any(|it| it.get_long() == option);
                    assert!(is_there, "{at}: {word}");
                }
            }
            let names_one = found[1].split_whitespace().next();
            let names_one = names_one.is_some_and(|it| it.starts_with(char::is_alphabetic));
            let is_one = !std::ptr::eq(command, &raw const whole);
            assert!(is_one || !names_one, "{at}: no such command");
            count += 1;
        }
    }
    assert!(count > 20, "the commands are not found any more");
}

/// By a mark above it, which `scripts/try-readme.sh` looks for, or by one that says why not.
#[test]
fn every_block_of_commands_in_the_readme_is_tried_or_says_why_not() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (readme, script) = (read("README.md"), read("scripts/try-readme.sh"));
    let mark = Regex::new("^<!-- (tried|not tried): (.+) -->$").unwrap();
    let mut above = "";
    let mut count = 0;
    for line in readme.lines() {
        let found = mark.captures(above);
        if line == "```sh" {
            assert!(found.is_some(), "no mark above a block: {above:?}");
            count += 1;
        }
        if let Some(found) = found.filter(|it| &it[1] == "tried") {
            let name = &found[2];
            assert!(line.starts_with("```"), "no block below {above}");
            assert!(
                script.contains(&format!("block {name}")),
                "{name} is not tried"
            );
        }
        above = line;
    }
    assert!(count > 1, "the blocks are not found any more");
}

#[test]
fn what_there_is_not_is_noticed() {
    let complaints = |line| {
        let complaints = commands(line).iter().filter_map(|it| complaint(it)).count();
        (commands(line).len(), complaints)
    };
    assert_eq!(
        complaints("vectide explain '[1,2]' --json | jq .verdict"),
        (2, 0)
    );
    assert_eq!(complaints("vectide explain 17 --jsno"), (1, 1));
    assert_eq!(complaints("vectide check   # a tick each"), (1, 0));
    assert_eq!(complaints("make demo ARGS=--stay && make dmeo"), (2, 1));
    assert_eq!(complaints("deploy/debezium/regster.sh"), (1, 1));
    assert_eq!(complaints("crul localhost"), (1, 1));
}
